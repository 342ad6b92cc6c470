import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { sniffFormat } from "./sniff.js";

/** Whether a file's content begins like an image that can be read; false too where it cannot be opened. */
export async function isImageFile(path: string): Promise<boolean> {
  try {
    // Without O_NONBLOCK a named pipe would be waited for.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!(await handle.stat()).isFile()) return false;
      const head = new Uint8Array(64);
      const { bytesRead } = await handle.read(head, 0, 64, 0);
      return sniffFormat(head.subarray(0, bytesRead)) !== null;
    } finally {
      await handle.close();
    }
  } catch {
    return false;
  }
}
