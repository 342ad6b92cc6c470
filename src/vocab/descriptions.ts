import { writeWhole } from "../write-whole.js";
import { readText } from "./read-text.js";
import { VocabularyError } from "./vocabulary-error.js";

/** What a tag looks like, in one sentence or several. */
export interface Description {
  readonly tag: string;
  readonly texts: readonly string[];
}

/** The published descriptions of 4,585 tags have about 77 MB. */
const maxBytes = 256 * 2 ** 20;
const maxTags = 1_000_000;
const maxTexts = 1_000;
/** Longest name of a tag, in characters, as in `tags.json`. */
const maxNameLength = 1_000;
const maxTextLength = 10_000;

/** Whether a text can be a tag's name: not blank, at most 1,000 characters, no control characters. */
export function isTagName(name: string): boolean {
  return name.trim() !== "" && name.length <= maxNameLength && !/\p{Cc}/u.test(name);
}

/**
 * Reads descriptions in the reference's form, `[{"tag": ["...", ...]}, ...]`: one tag an object, no tag twice, at least one
 * text each, as many as one likes. Throws a VocabularyError: not-found, unreadable, too-large, not-utf8, bad-descriptions
 * naming the place.
 */
export async function readDescriptions(file: string): Promise<Description[]> {
  const text = await readText(file, maxBytes);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new VocabularyError("bad-descriptions", file, `is not JSON: ${(cause as Error).message}`, { cause });
  }
  return parseDescriptions(json, file);
}

/** The descriptions of parsed JSON; `file` is named in errors. Throws a VocabularyError (bad-descriptions). */
export function parseDescriptions(json: unknown, file: string): Description[] {
  const bad = (problem: string): VocabularyError => new VocabularyError("bad-descriptions", file, problem);
  if (!Array.isArray(json)) throw bad(`expected a list of objects, {"tag": ["a text", ...]} each`);
  if (json.length === 0 || json.length > maxTags) throw bad(`expected 1 to ${maxTags} tags, received ${json.length}`);
  const seen = new Set<string>();
  return json.map((value: unknown, i) => {
    const entries = typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
    if (entries.length !== 1) throw bad(`entry ${i + 1}: expected an object with one tag, {"tag": ["a text", ...]}`);
    const [tag, texts] = entries[0] as [string, unknown];
    const where = `entry ${i + 1} (${JSON.stringify(tag.slice(0, 40))})`;
    if (!isTagName(tag)) throw bad(`${where}: expected a tag of 1 to ${maxNameLength} characters without control characters`);
    if (seen.has(tag)) throw bad(`${where}: the tag occurs twice`);
    seen.add(tag);
    if (!Array.isArray(texts) || texts.length === 0 || texts.length > maxTexts) throw bad(`${where}: expected a list of 1 to ${maxTexts} texts`);
    texts.forEach((text: unknown, j) => {
      if (typeof text !== "string" || text.trim() === "" || text.length > maxTextLength) throw bad(`${where}: text ${j + 1}: expected a text of 1 to ${maxTextLength} characters`);
    });
    return { tag, texts: texts as string[] };
  });
}

/** The reference's form of descriptions, indented as it writes them. */
export function serialiseDescriptions(descriptions: readonly Description[]): string {
  return `${JSON.stringify(descriptions.map(({ tag, texts }) => ({ [tag]: texts })), null, 3)}\n`;
}

/** Writes descriptions, beside and renamed. Throws a VocabularyError (unwritable). */
export async function writeDescriptions(file: string, descriptions: readonly Description[]): Promise<void> {
  try {
    await writeWhole(file, serialiseDescriptions(descriptions));
  } catch (cause) {
    throw new VocabularyError("unwritable", file, `cannot be written: ${(cause as Error).message}`, { cause });
  }
}
