import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { DataError } from "./data-error.js";

/** One photo of a shard. */
export interface ShardPhoto {
  /** The member's name without its ending. */
  readonly key: string;
  /** The image file's bytes. */
  readonly bytes: Uint8Array;
}

/** Larger members are refused: no photo of a training set is. */
const largestMember = 64 * 1024 * 1024;

/**
 * The photos of a .tar or .tar.gz shard, one at a time. Names are keys only, never paths. Throws a DataError when the shard
 * is missing, truncated or not a tar.
 */
export async function* readShard(file: string, signal?: AbortSignal): AsyncGenerator<ShardPhoto> {
  const tar = extract();
  const source = createReadStream(file);
  const options = signal === undefined ? {} : { signal };
  // Errors reach the reader below through the destroyed extractor; this promise is awaited at the end.
  const done = file.endsWith(".gz") ? pipeline(source, createGunzip(), tar, options) : pipeline(source, tar, options);
  done.catch(() => undefined);
  try {
    for await (const entry of tar) {
      const { name, size, type } = entry.header;
      if (type !== "file") {
        entry.resume();
        continue;
      }
      if ((size ?? 0) > largestMember) throw new DataError("bad-shard", file, `member ${JSON.stringify(name)} has ${size} bytes; photos have at most ${largestMember}`);
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry) chunks.push(chunk as Uint8Array);
      const base = name.slice(name.lastIndexOf("/") + 1);
      const dot = base.lastIndexOf(".");
      yield { key: dot > 0 ? base.slice(0, dot) : base, bytes: new Uint8Array(Buffer.concat(chunks)) };
    }
    await done;
  } catch (cause) {
    if (cause instanceof DataError || signal?.aborted) throw cause;
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new DataError(missing ? "not-found" : "bad-shard", file, missing ? "does not exist" : `is not a whole tar file: ${(cause as Error).message}`, { cause });
  } finally {
    source.destroy();
    tar.destroy();
  }
}
