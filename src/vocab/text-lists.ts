import { readText } from "./read-text.js";
import type { Tag } from "./tag.js";
import { VocabularyError } from "./vocabulary-error.js";

/** As many as a model may have tags. */
const maxLines = 1_000_000;

/**
 * Entries of a text list as the published project writes them: one a line, the final line break optional, blanks at the end
 * of an entry kept (2,579 of the published Chinese names end with one). Line ends may be LF or CRLF.
 * Throws a VocabularyError: not-found, unreadable, too-large, not-utf8, bad-list (empty file, empty line, stray CR).
 */
export async function readTextList(file: string): Promise<string[]> {
  const text = await readText(file);
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) if (++count > maxLines) throw new VocabularyError("too-large", file, `has more than ${maxLines} lines`);
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) throw new VocabularyError("bad-list", file, "is empty; expected one entry a line");
  for (const [i, line] of lines.entries()) {
    // A line's number is its tag's id, so an empty line can be neither skipped nor taken for a name.
    if (line.trim() === "") throw new VocabularyError("bad-list", file, `line ${i + 1} is empty; every line is one entry`);
    if (line.includes("\r")) throw new VocabularyError("bad-list", file, `line ${i + 1} has a carriage return inside; end lines with LF or CRLF`);
  }
  return lines;
}

/** Thresholds of a text list, one number from 0 to 1 a line. Throws as `readTextList`, and bad-number with the line. */
export async function readThresholdList(file: string): Promise<number[]> {
  return (await readTextList(file)).map((line, i) => {
    const text = line.trim();
    const value = Number(text);
    if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) || !(value >= 0 && value <= 1)) {
      throw new VocabularyError("bad-number", file, `line ${i + 1}: expected a threshold from 0 to 1, received ${JSON.stringify(text.slice(0, 40))}`);
    }
    return value;
  });
}

/**
 * Tags from lists that belong together line by line; names are kept as they are, blanks included.
 * Throws a VocabularyError: length-mismatch, bad-number (a threshold that is not from 0 to 1).
 */
export function tagsFromLists(en: readonly string[], zh: readonly string[], thresholds: readonly number[]): Tag[] {
  if (zh.length !== en.length || thresholds.length !== en.length) {
    throw new VocabularyError("length-mismatch", "tag lists", `${en.length} English names, ${zh.length} Chinese names and ${thresholds.length} thresholds; give lists of one length`);
  }
  return en.map((name, id) => {
    const threshold = thresholds[id]!;
    if (!(threshold >= 0 && threshold <= 1)) throw new VocabularyError("bad-number", "tag lists", `tag ${id} (${name}): expected a threshold from 0 to 1, received ${threshold}`);
    return { id, en: name, zh: zh[id]!, threshold };
  });
}
