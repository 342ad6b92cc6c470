import type { TagResult, TagScore } from "../index.js";
import { printable } from "./io.js";

export type TagFormat = "text" | "json" | "jsonl" | "csv" | "reference";
export const tagFormats: readonly TagFormat[] = ["text", "json", "jsonl", "csv", "reference"];
export type Language = "en" | "zh" | "both";

/** One entry of the output: a photo's tags, or its error. */
export type TagEntry = { readonly file: string; readonly tags: readonly TagScore[]; readonly ms: TagResult["ms"] } | { readonly file: string; readonly error: { readonly code: string; readonly message: string } };

export interface FormatOptions {
  readonly lang: Language;
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
}

/** Columns that a text takes: two for wide (East Asian) characters. */
function columns(text: string): number {
  let width = 0;
  for (const c of text) width += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/.test(c) ? 2 : 1;
  return width;
}

const padded = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - columns(text)));

/** The text cut to at most so many columns. */
function cut(text: string, width: number): string {
  if (columns(text) <= width) return text;
  let result = "";
  for (const c of text) {
    if (columns(result + c) > width - 1) break;
    result += c;
  }
  return `${result}…`;
}

const rounded = (entry: TagEntry): TagEntry => {
  if ("error" in entry) return entry;
  const { decode, preprocess, inference } = entry.ms;
  const ms = (v: number): number => Math.round(v * 100) / 100;
  return { file: entry.file, tags: entry.tags, ms: { decode: ms(decode), preprocess: ms(preprocess), inference: ms(inference) } };
};

const csvField = (value: string | number | null): string => {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** Columns of a line of text before the tag's names: the bar, the score and the space around them. */
const barColumns = 22;

/** For people: a bar for each tag. */
function textEntry(entry: TagEntry, { lang, colour, width }: FormatOptions): string {
  const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const title = paint(1, printable(entry.file));
  if ("error" in entry) return `${title}\n  ${paint(31, "error")} ${printable(entry.error.message)} (${entry.error.code})\n`;
  if (entry.tags.length === 0) return `${title}\n  no tags above their thresholds\n`;
  const room = Math.max(16, width - barColumns);
  const first = (tag: TagScore): string => printable(lang === "zh" ? tag.zh.trim() : tag.en);
  const nameColumns = Math.min(lang === "both" ? Math.ceil(room * 0.6) : room, Math.max(...entry.tags.map((tag) => columns(first(tag)))));
  const lines = entry.tags.map((tag) => {
    const filled = Math.round(tag.score * 12);
    const bar = paint(36, "█".repeat(filled)) + paint(2, "·".repeat(12 - filled));
    const second = tag.placed !== undefined ? `  by ${cut(printable(tag.placed.by), room - nameColumns - 5)}` : lang === "both" ? `  ${cut(printable(tag.zh.trim()), room - nameColumns - 2)}` : "";
    return `  ${bar} ${tag.score.toFixed(3)}  ${padded(cut(first(tag), nameColumns), nameColumns)}${second}`.trimEnd();
  });
  return `${title}\n${lines.join("\n")}\n`;
}

/** Formats entries one by one, with what comes before and after them. */
export interface Formatter {
  readonly begin: string;
  entry(entry: TagEntry, index: number): string;
  readonly end: (count: number) => string;
}

/** The formatter of a format. */
export function formatterOf(format: TagFormat, options: FormatOptions): Formatter {
  const nothing = { begin: "", end: () => "" };
  switch (format) {
    case "json":
      return { begin: "[", entry: (entry, i) => `${i === 0 ? "\n" : ",\n"}  ${JSON.stringify(rounded(entry))}`, end: (count) => (count === 0 ? "]\n" : "\n]\n") };
    case "jsonl":
      return { ...nothing, entry: (entry) => `${JSON.stringify(rounded(entry))}\n` };
    case "csv": {
      const line = (...fields: (string | number | null)[]): string => `${fields.map(csvField).join(",")}\r\n`;
      return {
        begin: line("file", "id", "en", "zh", "score", "threshold", "error"),
        entry: (entry) => ("error" in entry ? line(entry.file, "", "", "", "", "", `${entry.error.code}: ${entry.error.message}`) : entry.tags.map(({ id, en, zh, score, threshold }) => line(entry.file, id, en, zh, score, threshold, "")).join("")),
        end: () => "",
      };
    }
    case "reference":
      return { ...nothing, entry: (entry) => ("error" in entry ? "" : referenceLines(entry.tags, options.lang)) };
    case "text":
      return { ...nothing, entry: (entry, i) => `${i === 0 ? "" : "\n"}${textEntry(entry, options)}` };
  }
}

/** As the original prints them: in order of ids, joined by " | ". */
function referenceLines(tags: readonly TagScore[], lang: Language): string {
  const inOrder = [...tags].sort((a, b) => a.id - b.id);
  const line = (key: "en" | "zh"): string => `${inOrder.map((tag) => printable(tag[key])).join(" | ")}\n`;
  return (lang !== "zh" ? line("en") : "") + (lang !== "en" ? line("zh") : "");
}
