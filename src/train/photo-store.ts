import { dirname, join, relative, resolve, sep } from "node:path";
import { DataError } from "../data/data-error.js";
import { openImageFolder } from "../data/image-folder.js";
import type { CaptionTargets } from "../data/caption-targets.js";
import { readFurtherLabels, unmentioned, type FurtherLabels } from "../data/further-labels.js";
import { openLabelledFolder } from "../data/labelled-folder.js";
import { openLabelledSet, type PhotoLabels } from "../data/labelled-set.js";
import { pixelShares, pixelTagIds, pixelTargets } from "../data/pixel-tags.js";
import { readReferenceList } from "../data/reference-list.js";
import { readShard } from "../data/tar-shards.js";
import { absent, createTargets, present, unknown, type TagTargets } from "../data/tag-targets.js";
import { readImageFile } from "../image/read-image-file.js";
import { permutation, seededRandom } from "../tensor/random.js";
import type { TagIndex } from "../vocab/tag-index.js";
import { decodePhoto } from "./decode-photo.js";
import type { TrainSource } from "./train-config.js";
import { TrainError } from "./train-error.js";

/** A photo to train on. */
export interface TrainingPhoto {
  /** Source and key. */
  readonly name: string;
  /** For each tag present (1), absent (0) or unknown (-1). */
  readonly targets: Int8Array;
  /** For each tag the probability that a classifier gives it where the labels say nothing; -1: nothing is said. */
  readonly proposals?: Float32Array;
  /** The image file's bytes. */
  read(): Promise<Uint8Array>;
}

/** The photos of a source, and the tags that its labels decide. */
export interface LoadedSource {
  readonly covered: readonly number[];
  /** Those of them that its labels name, and do not only imply. */
  readonly named: readonly number[];
  /** Those that further labels ask about. */
  readonly lookedFor?: readonly number[];
  readonly photos: readonly TrainingPhoto[];
}

/** Places that a limit lets through, drawn by seed and name. */
function drawn(count: number, limit: number | null, name: string, seed: number): Set<number> {
  const order = permutation(count, seededRandom(seed, ...new TextEncoder().encode(name)));
  return new Set(order.subarray(0, Math.min(limit ?? count, count)));
}

/**
 * Opens a source of training photos; paths are relative to `base`. Shards are read into memory, files when they are needed.
 * Photos without labels are left out. Throws a DataError for unreadable data and a TrainError for a set without a split "train".
 */
export async function loadSource(source: TrainSource, base: string, index: TagIndex, seed: number, signal?: AbortSignal): Promise<LoadedSource> {
  const loaded = await loadLabels(source, base, index, seed, signal);
  return source.pixels === true ? withPixels(loaded, index, signal) : loaded;
}

async function loadLabels(source: TrainSource, base: string, index: TagIndex, seed: number, signal?: AbortSignal): Promise<LoadedSource> {
  switch (source.kind) {
    case "set":
      return loadShards(source, { folder: resolve(base, source.path), labels: source.labels === undefined ? null : resolve(base, source.labels) }, index, seed, signal);
    case "folder":
      return loadFolder(source, resolve(base, source.path), index, seed);
    case "list":
      return loadList(source, resolve(base, source.path), index, seed);
    case "photos":
      return loadPhotos(source, base, index, seed, signal);
  }
}

/** Photos whose pixels are looked at together. */
const lookedAt = 16;

/** The source with what its photos' pixels say. A photo that cannot be read keeps its targets: training tells of it. */
async function withPixels({ covered, photos, ...rest }: LoadedSource, index: TagIndex, signal?: AbortSignal): Promise<LoadedSource> {
  const result: TrainingPhoto[] = [];
  for (let start = 0; start < photos.length; start += lookedAt) {
    signal?.throwIfAborted();
    result.push(...(await Promise.all(photos.slice(start, start + lookedAt).map((photo) => lookAt(photo, index)))));
  }
  return { covered: [...new Set([...covered, ...pixelTagIds(index)])].sort((a, b) => a - b), ...rest, photos: result };
}

async function lookAt(photo: TrainingPhoto, index: TagIndex): Promise<TrainingPhoto> {
  const pixels = await decodePhoto(photo).catch(() => null);
  if (pixels === null) return photo;
  const targets = photo.targets.slice();
  pixelTargets(targets, pixelShares(pixels), index);
  return { ...photo, targets };
}

async function loadShards({ limit, captions = false }: TrainSource, { folder, labels: file }: { readonly folder: string; readonly labels: string | null }, index: TagIndex, seed: number, signal?: AbortSignal): Promise<LoadedSource> {
  const set = await openLabelledSet(folder);
  const labels = set.splits.get("train");
  if (labels === undefined) throw new TrainError("bad-train-config", `${folder}: no split train; it has ${[...set.splits.keys()].join(", ")}`);
  const targets = createTargets(set.classes, index);
  const said = captions ? await captionsOf(labels, index) : null;
  const further = file === null ? null : await furtherOf(file, labels, set.name, index);
  const open = said === null || further === null ? [] : unmentioned(further, (key) => said.named(labels.get(key)!.captions));
  const keys = [...labels].filter(([, photo]) => photo.labels !== null || (captions && photo.captions.length > 0)).map(([key]) => key);
  const chosen = new Set([...drawn(keys.length, limit, set.name, seed)].map((i) => keys[i]!));
  const photos: TrainingPhoto[] = [];
  for (const shard of set.shards.get("train") ?? []) {
    for await (const { key, bytes } of readShard(shard, signal)) {
      if (!chosen.has(key)) continue;
      const known = labels.get(key)!;
      const row = known.labels === null ? new Int8Array(index.tags.length).fill(unknown) : targets.row(known.labels);
      // Rows are shared between photos of the same classes.
      const own = said === null && further?.photos.has(key) !== true ? row : row.slice();
      said?.fill(own, known.captions);
      for (const id of open) if (own[id] === absent && row[id] === unknown) own[id] = unknown;
      further?.fill(own, key, row);
      photos.push({ name: `${set.name}/${key}`, targets: own, read: async () => bytes });
    }
  }
  return { covered: [...new Set([...targets.covered, ...(said?.covered ?? []), ...(further?.covered ?? [])])].sort((a, b) => a - b), named: namedBy(targets), lookedFor: further?.asked ?? [], photos };
}

/** Further labels of photos of a split. Throws a DataError for a photo that the split lacks: a misspelt key must not be ignored. */
async function furtherOf(file: string, labels: ReadonlyMap<string, PhotoLabels>, set: string, index: TagIndex): Promise<FurtherLabels> {
  const further = await readFurtherLabels(file, index);
  for (const key of further.photos) if (!labels.has(key)) throw new DataError("bad-labels", file, `names ${JSON.stringify(key)}, which is no photo of ${set}'s split train`);
  return further;
}

function namedBy({ covered, implied }: TagTargets): number[] {
  const only = new Set(implied);
  return covered.filter((id) => !only.has(id));
}

/** What a split's captions say; the parser of sentences is read when it is needed. */
async function captionsOf(labels: ReadonlyMap<string, PhotoLabels>, index: TagIndex): Promise<CaptionTargets> {
  const { createCaptionTargets } = await import("../data/caption-targets.js");
  return createCaptionTargets([...labels.values()].map(({ captions }) => captions), index);
}

/** A photo's name within its source, by which it is kept out or not: a folder that is moved keeps the same photos out. */
export function nameWithin({ kind, path }: TrainSource, base: string, { name }: TrainingPhoto): string {
  return kind === "set" ? name : relative(resolve(base, path), name);
}

async function loadFolder({ limit, path }: TrainSource, folder: string, index: TagIndex, seed: number): Promise<LoadedSource> {
  const { classes, photos } = await openImageFolder(folder);
  const targets = createTargets(classes, index);
  const chosen = drawn(photos.length, limit, path, seed);
  return { covered: targets.covered, named: namedBy(targets), photos: photos.filter((_, i) => chosen.has(i)).map((photo) => ({ name: photo.path, targets: targets.row([photo.label]), read: () => readImageFile(photo.path) })) };
}

/** A file of labels decides the tags that it speaks of and what these imply; photos that it names and that are not there are left out. */
async function loadPhotos({ limit, path, labels }: TrainSource, base: string, index: TagIndex, seed: number, signal?: AbortSignal): Promise<LoadedSource> {
  const { photos } = await openLabelledFolder(resolve(base, path), resolve(base, labels!), signal);
  const names = [...new Set(photos.flatMap(({ tags }) => tags))];
  const targets = createTargets(names.map((name) => ({ name })), index);
  const place = new Map(names.map((name, i) => [name, i]));
  const chosen = drawn(photos.length, limit, path, seed);
  return { covered: targets.covered, named: namedBy(targets), photos: photos.filter((_, i) => chosen.has(i)).map((photo) => ({ name: photo.path, targets: targets.row(photo.tags.map((tag) => place.get(tag)!)), read: () => readImageFile(photo.path) })) };
}

/** The reference's lists decide every tag: what a photo is not said to show is absent. */
async function loadList({ limit, path }: TrainSource, file: string, index: TagIndex, seed: number): Promise<LoadedSource> {
  const listed = await readReferenceList(file, index.tags.length);
  const root = dirname(file);
  const chosen = drawn(listed.length, limit, path, seed);
  const photos = listed.flatMap(({ imagePath, unionLabelIds }, i): TrainingPhoto[] => {
    const photo = join(root, imagePath);
    if (!photo.startsWith(root + sep)) throw new DataError("bad-list", file, `entry ${i}: image_path ${JSON.stringify(imagePath)} leads out of the list's folder`);
    if (!chosen.has(i)) return [];
    const targets = new Int8Array(index.tags.length).fill(absent);
    for (const id of unionLabelIds) targets[id] = present;
    return [{ name: photo, targets, read: () => readImageFile(photo) }];
  });
  const all = index.tags.map((tag) => tag.id);
  return { covered: all, named: all, photos };
}
