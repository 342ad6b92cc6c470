import { CsvError, parse } from "csv-parse/sync";
import { parseJson, showJson } from "../json.js";
import { readText } from "../vocab/read-text.js";
import { VocabularyError } from "../vocab/vocabulary-error.js";
import { DataError } from "./data-error.js";

/** A photo as a file of labels has it. */
export interface PhotoTags {
  /** The photo's name or path as written, with / between folders and without ./ before it. */
  readonly file: string;
  /** Names of the tags that hold, each once, in the order written; none: the photo shows nothing of what the file speaks of. */
  readonly tags: readonly string[];
}

/** The published annotations of 57,224 photos have 1.7 MB and 86,000 tags. */
const largestFile = 64 * 2 ** 20;
/** Longest line in characters. */
const longestRecord = 2 ** 20;
const mostPhotos = 1_000_000;
/** Of all photos together. */
const mostTags = 5_000_000;
const partsOfLabels = 8_000_000;

/** Names of the columns of a CSV's first line, in small letters. */
const fileColumns: ReadonlySet<string> = new Set(["file", "filename", "file_name", "path", "photo", "image"]);
const tagsColumns: ReadonlySet<string> = new Set(["tags", "labels", "tag", "label"]);

/**
 * Reads the labels of photos.
 *
 * CSV (any ending but .json and .jsonl), UTF-8, separated by commas, tabs or semicolons, whichever the first line that has one has:
 * - `photo,tag,tag...` on each line, as in the reference's annotations; a name alone is a photo without tags;
 * - or a first line with a column `file` (filename, path, photo, image) and a column `tags` (tag, labels, label), and others,
 *   which are left out. Several tags of one cell are separated by `|` or `;`; lines of one photo add up.
 *
 * JSON: `{"photo": ["tag", ...]}`, or `[{"file": "photo", "tags": ["tag", ...]}]`, one object a line where the file ends in .jsonl.
 * A tag is a text, or an object with its name in `en`, so that what `ramplus tag --format json` writes can be corrected and read;
 * entries with an `error` are left out.
 *
 * Throws a DataError naming the line or entry: not-found, bad-labels.
 */
export async function readLabelFile(file: string): Promise<PhotoTags[]> {
  let text: string;
  try {
    text = await readText(file, largestFile);
  } catch (cause) {
    if (cause instanceof VocabularyError) throw new DataError(cause.code === "not-found" ? "not-found" : "bad-labels", file, cause.message.slice(file.length + 2), { cause });
    throw cause;
  }
  const labels = /\.jsonl?$/i.test(file) ? jsonLabels(text, file) : csvLabels(text, file);
  if (labels.length === 0) throw new DataError("bad-labels", file, "names no photo");
  return labels;
}

/** Gathers the tags of each photo, in the order in which photos come first. */
function gather(file: string): { add(photo: string, tags: readonly string[], where: string): void; readonly labels: () => PhotoTags[] } {
  const photos = new Map<string, Set<string>>();
  let count = 0;
  return {
    add(photo, tags, where) {
      const fail = (problem: string): never => {
        throw new DataError("bad-labels", file, `${where}: ${problem}`);
      };
      const name = photo.replaceAll("\\", "/").replace(/^(\.\/+)+/, "");
      if (name === "" || name.includes("\0")) fail(`expected the name of a photo, received ${showJson(photo)}`);
      const known = photos.get(name) ?? new Set();
      const before = known.size;
      for (const tag of tags) if (tag.trim() !== "") known.add(tag.trim());
      count += known.size - before;
      photos.set(name, known);
      if (photos.size > mostPhotos || count > mostTags) fail(`there are more than ${mostPhotos} photos, or ${mostTags} tags of photos`);
    },
    labels: () => Array.from(photos, ([name, tags]) => ({ file: name, tags: [...tags] })),
  };
}

function csvLabels(text: string, file: string): PhotoTags[] {
  const { add, labels } = gather(file);
  let columns: { readonly file: number; readonly tags: number } | null = null;
  let first = true;
  const take = (cells: readonly string[], line: number): void => {
    if (first) {
      first = false;
      columns = headerOf(cells, file, line);
      if (columns !== null) return;
    }
    const [photo, tags] = columns === null ? [cells[0]!, cells.slice(1)] : [cells[columns.file] ?? "", [cells[columns.tags] ?? ""]];
    add(photo, tags.flatMap((cell) => cell.split(/[|;]/)), `line ${line}`);
  };
  try {
    // The records are taken one by one and none is kept.
    parse(text, {
      delimiter: delimiterOf(text),
      trim: true,
      relax_column_count: true,
      skip_empty_lines: true,
      skip_records_with_empty_values: true,
      max_record_size: longestRecord,
      on_record: (record: unknown, { lines }) => (take(record as string[], lines), null),
    });
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw new DataError("bad-labels", file, `is no CSV: ${cause.message}`, { cause });
  }
  return labels();
}

/** The separator of the first line that has one outside of quotes. */
function delimiterOf(text: string): string {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf("\n", start);
    const line = text.slice(start, end < 0 ? text.length : Math.min(end, start + longestRecord)).replace(/"(?:[^"]|"")*"/g, "");
    const found = [",", "\t", ";"].find((delimiter) => line.includes(delimiter));
    if (found !== undefined) return found;
    if (end < 0) break;
    start = end + 1;
  }
  return ",";
}

/** Where the columns are, or null where the first line is a photo already. */
function headerOf(cells: readonly string[], file: string, line: number): { file: number; tags: number } | null {
  const names = cells.map((cell) => cell.toLowerCase());
  const photo = names.findIndex((name) => fileColumns.has(name));
  if (photo < 0) return null;
  const tags = names.findIndex((name) => tagsColumns.has(name));
  // What `ramplus tag --format csv` writes has the names in `en`, one tag a line.
  const found = tags < 0 ? names.indexOf("en") : tags;
  if (found < 0) throw new DataError("bad-labels", file, `line ${line}: has the column ${showJson(cells[photo])} but none that is called tags, with the tags of a photo separated by | or ;`);
  return { file: photo, tags: found };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);

function jsonLabels(text: string, file: string): PhotoTags[] {
  const { add, labels } = gather(file);
  const tagsOf = (value: unknown, where: string): string[] => {
    if (!Array.isArray(value)) throw new DataError("bad-labels", file, `${where}: expected a list of tags, received ${showJson(value)}`);
    return value.map((tag: unknown) => {
      const name = isObject(tag) ? tag["en"] : tag;
      if (typeof name !== "string" || name.trim() === "") throw new DataError("bad-labels", file, `${where}: expected the name of a tag, received ${showJson(tag)}`);
      return name;
    });
  };
  const entry = (value: unknown, where: string): void => {
    const photo = isObject(value) ? value["file"] : undefined;
    if (!isObject(value) || typeof photo !== "string") throw new DataError("bad-labels", file, `${where}: expected {"file": "photo", "tags": ["tag", ...]}, received ${showJson(value)}`);
    if (value["error"] === undefined) add(photo, tagsOf(value["tags"], `${where} (${showJson(photo)})`), where);
  };
  const parsed = (json: string, where: string): unknown => {
    try {
      return parseJson(json, partsOfLabels);
    } catch (cause) {
      throw new DataError("bad-labels", file, `${where}is not JSON: ${(cause as Error).message}`, { cause });
    }
  };
  if (/l$/i.test(file)) {
    text.split("\n").forEach((line, i) => line.trim() !== "" && entry(parsed(line, `line ${i + 1} `), `line ${i + 1}`));
    return labels();
  }
  const json = parsed(text, "");
  if (Array.isArray(json)) json.forEach((value, i) => entry(value, `entry ${i + 1}`));
  else if (isObject(json)) for (const [photo, tags] of Object.entries(json)) add(photo, tagsOf(tags, showJson(photo)), showJson(photo));
  else throw new DataError("bad-labels", file, `expected {"photo": ["tag", ...]} or a list of {"file", "tags"}, received ${showJson(json)}`);
  return labels();
}
