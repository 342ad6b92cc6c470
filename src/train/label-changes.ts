import { readFile } from "node:fs/promises";
import { present, unknown } from "../data/tag-targets.js";
import { parseJson, showJson } from "../json.js";
import type { TagIndex } from "../vocab/tag-index.js";
import { writeWhole } from "../write-whole.js";
import type { TrainingPhoto } from "./photo-store.js";
import { TrainError } from "./train-error.js";

/** What the data engine says of a tag's photos, by their names (source and key). */
export interface LabelChange {
  readonly tag: string;
  /** Photos that show it though their labels do not say so. */
  readonly added: readonly string[];
  /** Photos whose label is not believed: they say nothing of the tag any more. */
  readonly removed: readonly string[];
}

const isNames = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every((each) => typeof each === "string");

/** Reads a file of label changes. Throws a TrainError (bad-label-changes) naming the entry that is wrong. */
export async function readLabelChanges(file: string): Promise<LabelChange[]> {
  const fail = (problem: string, cause?: unknown): never => {
    throw new TrainError("bad-label-changes", `${file}: ${problem}`, { cause });
  };
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => fail(cause.code === "ENOENT" ? "does not exist" : `cannot be read: ${cause.message}`, cause));
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (cause) {
    return fail(`is not JSON: ${(cause as Error).message}`, cause);
  }
  if (!Array.isArray(json)) return fail("label changes are a list of objects with tag, added and removed");
  return json.map((entry: unknown, i) => {
    const { tag, added = [], removed = [] } = (typeof entry === "object" && entry !== null ? entry : {}) as Record<string, unknown>;
    return typeof tag === "string" && isNames(added) && isNames(removed) ? { tag, added, removed } : fail(`entry ${i}: expected an object with tag, added and removed (names of photos), received ${showJson(entry)}`);
  });
}

/** Writes a file of label changes, whole or not at all. */
export async function writeLabelChanges(file: string, changes: readonly LabelChange[]): Promise<void> {
  await writeWhole(file, `[\n${changes.map((change) => JSON.stringify(change)).join(",\n")}\n]\n`);
}

/**
 * The photos with changed targets: an added tag is present, and what it implies where nothing is said of that; a removed one
 * unknown. Photos that are not there are passed over. Throws a TrainError for a tag that the vocabulary lacks.
 */
export function withLabelChanges(photos: readonly TrainingPhoto[], changes: readonly LabelChange[], index: TagIndex): TrainingPhoto[] {
  const edits = new Map<string, { id: number; value: number }[]>();
  const edit = (photo: string, id: number, value: number): void => void (edits.get(photo)?.push({ id, value }) ?? edits.set(photo, [{ id, value }]));
  for (const { tag: name, added, removed } of changes) {
    const tag = index.byName(name);
    if (tag === undefined) throw new TrainError("bad-label-changes", `label changes name ${JSON.stringify(name)}, which is no tag of the vocabulary`);
    for (const photo of removed) edit(photo, tag.id, unknown);
    for (const photo of added) edit(photo, tag.id, present);
  }
  return photos.map((photo) => {
    const own = edits.get(photo.name);
    if (own === undefined) return photo;
    // Photos of the same labels share their targets.
    const targets = photo.targets.slice();
    for (const { id, value } of own) {
      targets[id] = value;
      if (value === present) for (const parent of index.impliedBy(index.tags[id]!)) if (targets[parent] === unknown) targets[parent] = present;
    }
    return { ...photo, targets };
  });
}
