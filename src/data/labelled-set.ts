import { readdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { parseJson, showJson } from "../json.js";
import { DataError } from "./data-error.js";

/** A class of a labelled set. */
export interface SetClass {
  readonly name: string;
  readonly wnid?: string;
}

/** What is known of one photo. */
export interface PhotoLabels {
  /** Indices of the classes that it shows; null where the set gives captions only. */
  readonly labels: readonly number[] | null;
  readonly captions: readonly string[];
}

/** A folder of shards with `labels.json` beside them. */
export interface LabelledSet {
  readonly folder: string;
  /** The folder's name. */
  readonly name: string;
  readonly classes: readonly SetClass[];
  /** For each split, photo key to labels. */
  readonly splits: ReadonlyMap<string, ReadonlyMap<string, PhotoLabels>>;
  /** Shards of each split, in order. */
  readonly shards: ReadonlyMap<string, readonly string[]>;
}

/** A set of two million photos has some ten million parts. */
const partsOfLabels = 20_000_000;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** Opens a labelled set. Throws a DataError when `labels.json` is missing or not of the form. */
export async function openLabelledSet(folder: string): Promise<LabelledSet> {
  const file = join(folder, "labels.json");
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new DataError("not-found", file, "cannot be read: a labelled set is a folder of shards with labels.json beside them; for a folder of photos name its labels (--labels FILE)", { cause });
  }
  let json: unknown;
  try {
    json = parseJson(text, partsOfLabels);
  } catch (cause) {
    throw new DataError("bad-labels", file, `is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (!isObject(json) || !isObject(json["splits"])) throw new DataError("bad-labels", file, "expected an object with `splits`");
  const classes = parseClasses(json["classes"] ?? [], file);
  const splits = new Map(Object.entries(json["splits"]).map(([name, split]) => [name, parseSplit(split, name, classes.length, file)]));
  const names = await readdir(folder);
  const shards = new Map([...splits.keys()].map((split) => [split, shardsOf(split, names).map((name) => join(folder, name))]));
  return { folder, name: basename(resolve(folder)), classes, splits, shards };
}

function shardsOf(split: string, names: readonly string[]): string[] {
  return names.filter((name) => name === `${split}.tar` || name === `${split}.tar.gz` || (name.startsWith(`${split}-`) && /^-\d+\.tar(\.gz)?$/.test(name.slice(split.length)))).sort();
}

function parseClasses(value: unknown, file: string): SetClass[] {
  if (!Array.isArray(value)) throw new DataError("bad-labels", file, "`classes` is not a list");
  return value.map((entry: unknown, i) => {
    if (!isObject(entry) || typeof entry["name"] !== "string") throw new DataError("bad-labels", file, `class ${i} has no name`);
    const wnid = entry["wnid"];
    if (wnid !== undefined && typeof wnid !== "string") throw new DataError("bad-labels", file, `class ${i}: wnid is not a string`);
    return wnid === undefined ? { name: entry["name"] } : { name: entry["name"], wnid };
  });
}

function parseSplit(value: unknown, split: string, classes: number, file: string): Map<string, PhotoLabels> {
  if (!isObject(value)) throw new DataError("bad-labels", file, `split ${split} is not an object`);
  const index = (label: unknown, key: string): number => {
    if (typeof label !== "number" || !Number.isInteger(label) || label < 0 || label >= classes) throw new DataError("bad-labels", file, `split ${split}, ${key}: label ${showJson(label)} is no class index (0 to ${classes - 1})`);
    return label;
  };
  return new Map(
    Object.entries(value).map(([key, entry]): [string, PhotoLabels] => {
      if (typeof entry === "number") return [key, { labels: [index(entry, key)], captions: [] }];
      if (!isObject(entry)) throw new DataError("bad-labels", file, `split ${split}, ${key}: expected a class index or an object`);
      const { labels, captions } = entry;
      if (labels !== undefined && !Array.isArray(labels)) throw new DataError("bad-labels", file, `split ${split}, ${key}: labels is not a list`);
      if (captions !== undefined && !(Array.isArray(captions) && captions.every((c) => typeof c === "string"))) throw new DataError("bad-labels", file, `split ${split}, ${key}: captions is not a list of texts`);
      return [key, { labels: labels?.map((label: unknown) => index(label, key)) ?? null, captions: (captions as string[] | undefined) ?? [] }];
    }),
  );
}
