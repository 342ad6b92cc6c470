import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { ImageError } from "./image-error.js";

/** Larger files are not read: no photo is. */
export const largestImageFile = 256 * 1024 * 1024;

/** The bytes of a photo's file. Throws an ImageError when it is missing, no file, unreadable, empty or larger than `largest` bytes. */
export async function readImageFile(path: string, largest = largestImageFile): Promise<Uint8Array> {
  if (path.includes("\0")) throw new ImageError("image-not-found", path, "does not exist");
  let handle;
  try {
    // Without O_NONBLOCK a named pipe would be waited for; Windows has neither.
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw new ImageError("image-not-found", path, "does not exist", { cause });
    throw new ImageError("image-unreadable", path, `cannot be read: ${(cause as Error).message}`, { cause });
  }
  try {
    const info = await handle.stat();
    if (!info.isFile()) throw new ImageError("image-not-a-file", path, info.isDirectory() ? "is a folder, not a photo" : "is not a file");
    if (info.size > largest) throw new ImageError("image-too-large", path, `has ${info.size} bytes; at most ${largest} are read`);
    return new Uint8Array(await handle.readFile());
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    throw new ImageError("image-unreadable", path, `cannot be read: ${(cause as Error).message}`, { cause });
  } finally {
    await handle.close();
  }
}
