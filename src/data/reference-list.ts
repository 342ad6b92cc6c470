import { readFile } from "node:fs/promises";
import { parseJson } from "../json.js";
import { DataError } from "./data-error.js";

/** One photo of the reference's training lists. */
export interface ListedPhoto {
  /** Path as the list has it. */
  readonly imagePath: string;
  /** Ids of the tags that hold, from the data set and from captions together. */
  readonly unionLabelIds: readonly number[];
  /** Ids of the tags that each caption was parsed to. */
  readonly parseLabelIds: readonly (readonly number[])[];
  readonly captions: readonly string[];
}

/** The reference's lists have some ten parts for each of up to two million photos. */
const partsOfList = 20_000_000;

const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((v) => typeof v === "string");

/**
 * Reads the reference's training JSON: a list of `{image_path, caption, union_label_id, parse_label_id}`. Throws a DataError
 * naming the first entry that is wrong; ids must be below `tags`.
 */
export async function readReferenceList(file: string, tags: number): Promise<ListedPhoto[]> {
  let json: unknown;
  try {
    json = parseJson(await readFile(file, "utf8"), partsOfList);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code !== undefined;
    throw new DataError(missing ? "not-found" : "bad-list", file, missing ? "cannot be read" : `is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (!Array.isArray(json)) throw new DataError("bad-list", file, "expected a list of photos");
  return json.map((entry: unknown, i) => {
    const fail = (problem: string): never => {
      throw new DataError("bad-list", file, `entry ${i}: ${problem}`);
    };
    if (typeof entry !== "object" || entry === null) return fail("expected an object");
    const { image_path, caption, union_label_id, parse_label_id } = entry as Record<string, unknown>;
    const ids = (value: unknown, name: string): number[] => {
      const good = Array.isArray(value) && value.every((id) => Number.isInteger(id) && id >= 0 && id < tags);
      return good ? (value as number[]) : fail(`${name} is not a list of tag ids from 0 to ${tags - 1}`);
    };
    if (typeof image_path !== "string" || image_path === "") return fail("image_path is not a text");
    const captions = typeof caption === "string" ? [caption] : caption === undefined ? [] : isTexts(caption) ? caption : fail("caption is neither a text nor a list of texts");
    // One list of ids for each caption, or a single list where there is one caption.
    const parsed = parse_label_id === undefined ? [] : Array.isArray(parse_label_id) && parse_label_id.some(Array.isArray) ? parse_label_id.map((each: unknown) => ids(each, "parse_label_id")) : [ids(parse_label_id, "parse_label_id")];
    return { imagePath: image_path, unionLabelIds: ids(union_label_id, "union_label_id"), parseLabelIds: parsed, captions };
  });
}
