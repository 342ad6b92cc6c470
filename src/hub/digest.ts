import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

/** What a file's bytes must hash to; `gitOid` is the name that git gives a file's content. */
export interface Digest {
  readonly kind: "sha256" | "sha512" | "gitOid";
  /** In hexadecimal digits. */
  readonly hex: string;
}

/** A hash to be fed a file of so many bytes. */
export function startDigest({ kind }: Digest, size: number): Hash {
  return kind === "gitOid" ? createHash("sha1").update(`blob ${size}\0`) : createHash(kind);
}

/** Feeds the first `length` bytes of a file to a hash. Throws the signal's reason when aborted. */
export async function digestStart(handle: FileHandle, length: number, hash: Hash, onRead: (bytes: number) => void, signal?: AbortSignal): Promise<void> {
  const buffer = Buffer.alloc(Math.min(length, 4 * 1024 * 1024));
  for (let position = 0; position < length; ) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, length - position), position);
    if (bytesRead === 0) throw new Error("the file became shorter while it was read");
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
    onRead(position);
  }
}
