import { open, rm, type FileHandle } from "node:fs/promises";
import { readBytes } from "../vocab/read-text.js";
import { VocabularyError } from "../vocab/vocabulary-error.js";
import { DescribeError } from "./describe-error.js";

/** What makes answers comparable; a journal goes on with the same only. */
export interface JournalSettings {
  readonly model: string;
  readonly answers: number;
  readonly maxTokens: number;
  readonly temperature: number;
}

/** What was answered so far, as JSON lines: the settings, then `{ tag, prompt, answers }` for each reply. It never holds a key or an address. */
export interface Journal {
  /** The answers to a prompt so far. */
  answers(tag: string, prompt: string): readonly string[];
  /** Keeps answers, on the disk before it resolves. */
  add(tag: string, prompt: string, answers: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const largestJournal = 256 * 2 ** 20;
const format = "ramplus descriptions";

interface Contents {
  /** Whether the settings are written. */
  readonly started: boolean;
  readonly answers: Map<string, string[]>;
  readonly tags: ReadonlySet<string>;
  /** Bytes up to the last complete line. */
  readonly complete: number;
}

const keyOf = (tag: string, prompt: string): string => JSON.stringify([tag, prompt]);

/** The answers that a journal holds, for a look before the work, or null where there is no journal. Throws as `openJournal`. */
export async function readJournal(file: string, settings: JournalSettings): Promise<(Pick<Journal, "answers"> & { readonly tags: ReadonlySet<string> }) | null> {
  const contents = await contentsOf(file, settings);
  return contents === null ? null : { tags: contents.tags, answers: (tag, prompt) => contents.answers.get(keyOf(tag, prompt)) ?? [] };
}

/**
 * Opens a journal to go on with it, or starts one. A last line that was cut off, by a kill, is dropped. Throws a DescribeError (bad-journal,
 * journal-mismatch) or a VocabularyError (unreadable, too-large, unwritable).
 */
export async function openJournal(file: string, settings: JournalSettings): Promise<Journal> {
  const { answers, complete, started } = (await contentsOf(file, settings)) ?? { answers: new Map<string, string[]>(), complete: 0, started: false };
  const unwritable = (cause: Error): never => {
    throw new VocabularyError("unwritable", file, `cannot be written: ${cause.message}`, { cause });
  };
  const handle: FileHandle = await open(file, "a").catch(unwritable);
  let last: Promise<void> = handle.truncate(complete);
  const append = (line: string): Promise<void> => (last = last.then(() => handle.appendFile(`${line}\n`)).then(() => handle.datasync()));
  if (!started) append(headOf(settings));
  await last.catch(async (cause: Error) => (await handle.close(), unwritable(cause)));
  return {
    answers: (tag, prompt) => answers.get(keyOf(tag, prompt)) ?? [],
    async add(tag, prompt, more) {
      await append(JSON.stringify({ tag, prompt, answers: more })).catch(unwritable);
      answers.set(keyOf(tag, prompt), [...(answers.get(keyOf(tag, prompt)) ?? []), ...more]);
    },
    close: () => handle.close(),
  };
}

/** Removes a journal whose answers are all written out. */
export function removeJournal(file: string): Promise<void> {
  return rm(file, { force: true });
}

async function contentsOf(file: string, settings: JournalSettings): Promise<Contents | null> {
  const bytes = await readBytes(file, largestJournal).catch((error: unknown) => {
    if (error instanceof VocabularyError && error.code === "not-found") return null;
    throw error;
  });
  if (bytes === null) return null;
  // Cut before it is decoded: the end may be in the middle of a character.
  const complete = bytes.lastIndexOf(0x0a) + 1;
  const lines = new TextDecoder().decode(bytes.subarray(0, complete)).split("\n").slice(0, -1);
  const answers = new Map<string, string[]>();
  const tags = new Set<string>();
  if (lines.length === 0) {
    // Only the beginning of a journal's first line was cut off by a kill; anything else is someone's file.
    if (!headOf(settings).startsWith(new TextDecoder().decode(bytes))) throw noJournal(file);
    return { started: false, answers, tags, complete };
  }
  checkSettings(file, lines[0]!, settings);
  lines.slice(1).forEach((line, i) => {
    const entry = parseLine(line);
    if (entry === null) throw new DescribeError("bad-journal", `${file}: line ${i + 2} is damaged: remove the line, or the file to begin anew`);
    tags.add(entry.tag);
    const key = keyOf(entry.tag, entry.prompt);
    answers.set(key, [...(answers.get(key) ?? []), ...entry.answers]);
  });
  return { started: true, answers, tags, complete };
}

const headOf = (settings: JournalSettings): string => JSON.stringify({ format, version: 1, ...settings });

const noJournal = (file: string): DescribeError => new DescribeError("bad-journal", `${file}: is no journal of descriptions: move it away`);

function checkSettings(file: string, line: string, settings: JournalSettings): void {
  const found = parseObject(line);
  if (found?.["format"] !== format || found["version"] !== 1) throw noJournal(file);
  for (const name of ["model", "answers", "maxTokens", "temperature"] as const) {
    if (found[name] !== settings[name]) throw new DescribeError("journal-mismatch", `${file}: was begun with ${name} ${JSON.stringify(found[name])}, not ${JSON.stringify(settings[name])}: go on with the same, or remove the file to begin anew`);
  }
}

function parseLine(line: string): { tag: string; prompt: string; answers: string[] } | null {
  const { tag, prompt, answers } = parseObject(line) ?? {};
  const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((each) => typeof each === "string");
  return typeof tag === "string" && typeof prompt === "string" && isTexts(answers) ? { tag, prompt, answers } : null;
}

function parseObject(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}
