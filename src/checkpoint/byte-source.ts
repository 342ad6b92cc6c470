import { open, stat } from "node:fs/promises";
import { CheckpointError } from "./checkpoint-error.js";

/** Bytes of a file by position. Every read is checked against the file's size before memory is taken. */
export interface ByteSource {
  readonly file: string;
  readonly size: number;
  read(position: number, length: number): Promise<Buffer>;
  /** Fills `target` from `position`. */
  readInto(target: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/** One system call reads at most this much: Node takes 32-bit lengths. */
const chunk = 2 ** 28;

/** Opens a file for positional reads. Throws CheckpointError (not-found, unreadable, not-a-checkpoint for anything but a file). */
export async function openByteSource(file: string): Promise<ByteSource> {
  const unreadable = (cause: unknown): CheckpointError => {
    const { code, message } = cause as NodeJS.ErrnoException;
    return new CheckpointError(file, code === "ENOENT" || code === "ENOTDIR" ? { code: "not-found" } : { code: "unreadable", problem: message }, { cause });
  };
  // Before opening: opening a pipe would wait for a writer.
  const information = await stat(file).catch((cause: unknown) => Promise.reject(unreadable(cause)));
  if (!information.isFile()) throw new CheckpointError(file, { code: "not-a-checkpoint", problem: information.isDirectory() ? "a folder" : "no regular file" });
  const handle = await open(file, "r").catch((cause: unknown) => Promise.reject(unreadable(cause)));
  const { size } = information;

  const readInto = async (target: Uint8Array, position: number): Promise<void> => {
    if (!(position >= 0 && position + target.byteLength <= size)) throw new CheckpointError(file, { code: "truncated", needed: position + target.byteLength, available: size });
    for (let done = 0; done < target.byteLength; ) {
      const length = Math.min(chunk, target.byteLength - done);
      const { bytesRead } = await handle.read(target, done, length, position + done).catch((cause: unknown) => Promise.reject(unreadable(cause)));
      if (bytesRead === 0) throw new CheckpointError(file, { code: "truncated", needed: position + target.byteLength, available: position + done });
      done += bytesRead;
    }
  };
  return {
    file,
    size,
    readInto,
    async read(position, length) {
      if (!(position >= 0 && length >= 0 && position + length <= size)) throw new CheckpointError(file, { code: "truncated", needed: position + length, available: size });
      const bytes = Buffer.alloc(length);
      await readInto(bytes, position);
      return bytes;
    },
    close: () => handle.close(),
  };
}
