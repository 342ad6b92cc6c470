import type { LabelledSet } from "../data/labelled-set.js";
import { readShard } from "../data/tar-shards.js";
import { createTargets, type TagTargets } from "../data/tag-targets.js";
import { permutation, seededRandom } from "../tensor/random.js";
import type { TagIndex } from "../vocab/tag-index.js";
import { TrainError } from "./train-error.js";

/** A photo to train on, still in its file format. */
export interface TrainingPhoto {
  /** Set and key, unique in the store. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** For each tag present (1), absent (0) or unknown (-1). */
  readonly targets: Int8Array;
}

export interface PhotoSource {
  readonly set: LabelledSet;
  readonly split: string;
  /** At most so many photos, drawn by the seed. */
  readonly limit?: number;
}

/** The photos of a source in memory, in the order of its shards, and what its labels decide. */
export interface LoadedSource {
  readonly set: LabelledSet;
  readonly targets: TagTargets;
  readonly photos: readonly TrainingPhoto[];
}

/** Reads the photos of a source. Photos without labels are left out. Throws a TrainError for an unknown split. */
export async function loadSource({ set, split, limit = Infinity }: PhotoSource, index: TagIndex, seed: number, signal?: AbortSignal): Promise<LoadedSource> {
  const labels = set.splits.get(split);
  if (labels === undefined) throw new TrainError("bad-train-config", `${set.folder}: no split ${split}; it has ${[...set.splits.keys()].join(", ")}`);
  const targets = createTargets(set.classes, index);
  const keys = [...labels].filter(([, photo]) => photo.labels !== null).map(([key]) => key);
  const order = permutation(keys.length, seededRandom(seed, ...new TextEncoder().encode(set.name)));
  const chosen = new Set(Array.from(order.subarray(0, Math.min(limit, keys.length)), (i) => keys[i]!));
  const photos: TrainingPhoto[] = [];
  for (const shard of set.shards.get(split) ?? []) {
    for await (const { key, bytes } of readShard(shard, signal)) {
      if (chosen.has(key)) photos.push({ name: `${set.name}/${key}`, bytes, targets: targets.row(labels.get(key)!.labels!) });
    }
  }
  return { set, targets, photos };
}
