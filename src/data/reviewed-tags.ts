import { parseJson, showJson } from "../json.js";
import { readText } from "../vocab/read-text.js";
import { VocabularyError } from "../vocab/vocabulary-error.js";
import { DataError } from "./data-error.js";

/** A tag that was given to a photo, and what a person said of it. */
export interface ReviewedTag {
  readonly photo: string;
  readonly en: string;
  readonly bank?: string;
  readonly score: number;
  readonly right: boolean;
}

const largestFile = 256 * 2 ** 20;

/**
 * Reads what `ramplus tag --format json` or `jsonl` wrote, with `"right": true` or `false` set on tags by a person; tags without
 * it were not looked at, and are left out. Throws a DataError naming the line or entry: not-found, bad-labels.
 */
export async function readReviewedTags(file: string): Promise<ReviewedTag[]> {
  const bad = (problem: string, options?: ErrorOptions): DataError => new DataError("bad-labels", file, problem, options);
  let text: string;
  try {
    text = await readText(file, largestFile);
  } catch (cause) {
    if (cause instanceof VocabularyError) throw new DataError(cause.code === "not-found" ? "not-found" : "bad-labels", file, cause.message.slice(file.length + 2), { cause });
    throw cause;
  }
  const parsed = (json: string, where: string): unknown => {
    try {
      return parseJson(json);
    } catch (cause) {
      throw bad(`${where}is not JSON: ${(cause as Error).message}`, { cause });
    }
  };
  const entries = text.trimStart().startsWith("[") ? parsed(text, "") : text.split("\n").flatMap((line, i) => (line.trim() === "" ? [] : [parsed(line, `line ${i + 1} `)]));
  if (!Array.isArray(entries)) throw bad("expected a list of photos, or one on each line, as `ramplus tag --format jsonl` writes them");
  const reviewed: ReviewedTag[] = [];
  entries.forEach((entry: unknown, i) => {
    const { file: photo, tags, error } = isObject(entry) ? entry : {};
    if (error !== undefined) return;
    if (typeof photo !== "string" || !Array.isArray(tags)) throw bad(`entry ${i + 1}: expected an object with file and tags, received ${showJson(entry)}`);
    for (const tag of tags as unknown[]) {
      const { en, bank, score, right } = isObject(tag) ? tag : {};
      if (right === undefined) continue;
      if (typeof en !== "string" || typeof score !== "number" || !(score >= 0 && score <= 1) || typeof right !== "boolean" || (bank !== undefined && typeof bank !== "string")) throw bad(`entry ${i + 1}: expected tags with en, score, and right as true or false; received ${showJson(tag)}`);
      reviewed.push({ photo, en, score, right, ...(bank !== undefined && { bank }) });
    }
  });
  if (reviewed.length === 0) throw bad('no tag is marked: set "right": true or false on tags');
  return reviewed;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);
