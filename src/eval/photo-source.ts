import { stat } from "node:fs/promises";
import type { LabelledSet, PhotoLabels } from "../data/labelled-set.js";
import { readShard } from "../data/tar-shards.js";

/** A photo to be scored. */
export interface SourcePhoto {
  /** Unlike all others of the source. */
  readonly name: string;
  /** Tells a photo's file from another of the same name: its size, and where it is known when it was written. */
  readonly stamp: string;
  /** Path, or the bytes of the file. */
  readonly image: string | Uint8Array;
}

/** Photos that can be gone through again and again, one at a time. */
export interface PhotoSource {
  /** Names of all of them. */
  readonly names: readonly string[];
  /** The photos, or those of some names. */
  photos(wanted?: ReadonlySet<string>, signal?: AbortSignal): AsyncIterable<SourcePhoto>;
}

/** Photos that lie in files of their own, in the order given. */
export function fileSource(files: readonly { readonly name: string; readonly path: string }[]): PhotoSource {
  return {
    names: files.map(({ name }) => name),
    async *photos(wanted) {
      for (const { name, path } of files) {
        if (wanted !== undefined && !wanted.has(name)) continue;
        // One that has gone since is told of by whoever opens it.
        const info = await stat(path).catch(() => null);
        yield { name, stamp: info === null ? "" : `${info.size}-${Math.trunc(info.mtimeMs)}`, image: path };
      }
    },
  };
}

/** Photos of a split of a labelled set, in the order of its shards: those that are wanted, by default those with labels. Throws a DataError for a shard that cannot be read. */
export function setSource(set: LabelledSet, split: string, wanted: (photo: PhotoLabels) => boolean = ({ labels }) => labels !== null): PhotoSource {
  const labels = set.splits.get(split);
  const names = [...(labels ?? [])].flatMap(([key, entry]) => (wanted(entry) ? [key] : []));
  return {
    names,
    async *photos(wanted, signal) {
      const known = new Set(names);
      for (const shard of set.shards.get(split) ?? []) {
        for await (const { key, bytes } of readShard(shard, signal)) {
          if (known.has(key) && (wanted?.has(key) ?? true)) yield { name: key, stamp: String(bytes.byteLength), image: bytes };
        }
      }
    },
  };
}
