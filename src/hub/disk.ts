import { randomUUID } from "node:crypto";
import { mkdir, rename, stat, statfs, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { bytesText } from "./bytes-text.js";
import { HubError } from "./hub-error.js";

/** Left free on the disk beyond what is written. */
const margin = 64 * 1024 * 1024;

/** Makes a folder. Throws a HubError where that is not allowed. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw writeFault(cause, folder);
  }
}

/** Throws a HubError unless the folder's disk has room for so many bytes. */
export async function assertRoom(folder: string, bytes: number, subject: string): Promise<void> {
  await makeFolder(folder);
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (bytes > 0 && free < bytes + Math.min(margin, bytes)) throw new HubError("disk-full", subject, `needs ${bytesText(bytes)}, and the disk of ${folder} has ${bytesText(free)} free: make room (\`ramplus cache\` shows what is kept), or set HF_HOME to a folder on another disk`);
}

/** The fault of a write that failed. */
export function writeFault(cause: unknown, file: string): HubError {
  if (cause instanceof HubError) return cause;
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") return new HubError("disk-full", file, "the disk is full: make room and start again, what has arrived is kept; HF_HOME chooses another place", { cause });
  return new HubError("not-writable", file, `cannot be written (${code ?? (cause as Error).message}): check the folder's rights, or set HF_HOME to another place`, { cause });
}

/** Size of a file, or null where there is none. */
export async function fileSize(file: string): Promise<number | null> {
  const info = await stat(file).catch(() => null);
  return info !== null && info.isFile() ? info.size : null;
}

/** Writes a small file beside its place and renames it. Throws a HubError. */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    const part = `${file}.${randomUUID()}.part`;
    await writeFile(part, content);
    await rename(part, file);
  } catch (cause) {
    throw writeFault(cause, file);
  }
}
