import { mkdir, open, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { parseJson, showJson } from "../json.js";
import { EvalError } from "./eval-error.js";

/** What makes scores comparable: those of another model, or of photos turned otherwise, are not mixed in. */
export interface JournalHead {
  /** Model and banks, as one hash. */
  readonly model: string;
  readonly dtype: string;
  readonly orient: boolean;
  /** Names of the tags whose scores are kept, in their order. */
  readonly tags: readonly string[];
}

/** The scores of a photo. */
export interface JournalEntry {
  readonly photo: string;
  readonly stamp: string;
  /** Ids of the three best of all tags, best first. */
  readonly first: readonly number[];
  /** In the order of the head's tags. */
  readonly scores: Float32Array;
}

/** Scores as JSON lines: a head, then a line for each photo, the float32 (little-endian) in base64. */
export interface ScoreJournal {
  /** The tags that entries must hold: those of the file where it was there already, else those asked for. */
  readonly tags: readonly string[];
  add(entry: JournalEntry): Promise<void>;
  close(): Promise<void>;
}

const format = "ramplus scores";
/** A million tags, which a model may have, take 5.6 MB. */
const longestLine = 16 * 2 ** 20;

interface OpenOptions {
  /** Begin anew, whatever is there. */
  readonly force: boolean;
  /** Told of each entry that the file holds; of several for a photo the last counts. */
  readonly onEntry: (entry: JournalEntry, tags: readonly string[]) => void;
  readonly signal?: AbortSignal;
}

/**
 * Opens a journal of scores to go on with it, or starts one. One that was begun for more tags than those asked for serves as well.
 * A last line that was cut off, by a kill, is dropped. Throws an EvalError: bad-journal, journal-mismatch, unwritable.
 */
export async function openScoreJournal(file: string, head: JournalHead, { force, onEntry, signal }: OpenOptions): Promise<ScoreJournal> {
  const unwritable = (cause: unknown): never => {
    throw new EvalError("unwritable", `${file}: cannot be written: ${(cause as Error).message}`, { cause });
  };
  await mkdir(dirname(file), { recursive: true }).catch(unwritable);
  const handle: FileHandle = await open(file, force ? "w+" : "a+").catch(unwritable);
  try {
    let [tags, complete, number] = [null as readonly string[] | null, 0, 0];
    for await (const { line, end } of linesOf(handle, file, signal)) {
      number++;
      if (tags === null) tags = checkedTags(file, line, head);
      else onEntry(entryOf(file, line, number, tags), tags);
      complete = end;
    }
    // Only the beginning of a journal's first line was cut off by a kill; anything else is someone's file.
    if (tags === null && !startsWith(Buffer.from(headLine(head)), await handle.readFile())) throw noJournal(file);
    await handle.truncate(complete).catch(unwritable);
    if (tags === null) await handle.appendFile(`${headLine(head)}\n`).catch(unwritable);
    return {
      tags: tags ?? head.tags,
      async add({ scores, ...entry }) {
        const bytes = Buffer.from(scores.buffer, scores.byteOffset, scores.byteLength);
        await handle.appendFile(`${JSON.stringify({ ...entry, scores: bytes.toString("base64") })}\n`).catch(unwritable);
      },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** By bytes: a cut may be in the middle of a character. */
const startsWith = (whole: Buffer, start: Buffer): boolean => start.equals(whole.subarray(0, start.length));
const headLine = ({ tags, ...head }: JournalHead): string => JSON.stringify({ format, version: 1, ...head, tags });
const noJournal = (file: string): EvalError => new EvalError("bad-journal", `${file}: is no journal of scores: move it away, or name another folder`);

/** Complete lines of a file, with the place where each ends. */
async function* linesOf(handle: FileHandle, file: string, signal?: AbortSignal): AsyncGenerator<{ readonly line: string; readonly end: number }> {
  const buffer = Buffer.alloc(2 ** 20);
  let [rest, position] = [Buffer.alloc(0), 0];
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    let start = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
      yield { line: bytes.toString("utf8", start, end), end: position - bytes.length + end + 1 };
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > longestLine) throw noJournal(file);
  }
}

function parsed(line: string): Readonly<Record<string, unknown>> {
  try {
    const value = parseJson(line);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

/** The tags of a journal that was begun with the same. */
function checkedTags(file: string, line: string, head: JournalHead): readonly string[] {
  const found = parsed(line);
  const tags = found["tags"];
  if (found["format"] !== format || found["version"] !== 1 || !Array.isArray(tags) || !tags.every((tag) => typeof tag === "string")) throw noJournal(file);
  const advice = "name another folder for these, or begin anew with --force";
  for (const name of ["model", "dtype", "orient"] as const) {
    if (found[name] !== head[name]) throw new EvalError("journal-mismatch", `${file}: holds scores of another ${name === "model" ? "model or other banks" : `${name}, ${showJson(found[name])} and not ${String(head[name])}`}: ${advice}`);
  }
  const known = new Set(tags);
  const missing = head.tags.filter((tag) => !known.has(tag));
  if (missing.length > 0) throw new EvalError("journal-mismatch", `${file}: holds no scores of ${missing.slice(0, 5).map(showJson).join(", ")}${missing.length > 5 ? ` and ${missing.length - 5} more tags` : ""}: ${advice}`);
  return tags;
}

function entryOf(file: string, line: string, number: number, tags: readonly string[]): JournalEntry {
  const { photo, stamp, first, scores } = parsed(line);
  const bytes = typeof scores === "string" ? Buffer.from(scores, "base64") : null;
  const ids = Array.isArray(first) && first.length <= 3 && first.every((id) => Number.isInteger(id) && id >= 0) ? (first as number[]) : null;
  if (typeof photo !== "string" || typeof stamp !== "string" || ids === null || bytes?.byteLength !== tags.length * 4) throw new EvalError("bad-journal", `${file}: line ${number} is damaged: remove the line, or begin anew with --force`);
  return { photo, stamp, first: ids, scores: new Float32Array(new Uint8Array(bytes).buffer) };
}
