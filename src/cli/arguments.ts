import { parseArgs, type ParseArgsConfig } from "node:util";
import { devices, precisions, type Device, type Precision } from "../index.js";
import { UsageError } from "./io.js";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** Values and positional arguments of a command line. */
export interface Parsed {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
}

/** Edits between two words (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}

/** The known word nearest to a mistyped one, as a question, or nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const [best] = known.map((each) => [distance(word, each), each] as const).sort((a, b) => a[0] - b[0]);
  return best !== undefined && best[0] <= Math.max(2, word.length / 3) ? `; did you mean ${best[1]}?` : "";
}

/** Parses a command's arguments. Throws a UsageError for an unknown option or a missing value. */
export function parseCommand(command: string, args: readonly string[], options: Options): Parsed {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
    return { values: values as Parsed["values"], positionals };
  } catch (error) {
    const unknown = /Unknown option '(-{1,2}[^']*)'/.exec((error as Error).message)?.[1];
    const ambiguous = /Option '(-[^' ]*).*' argument is ambiguous/.exec((error as Error).message)?.[1];
    if (ambiguous !== undefined) throw new UsageError(`${ambiguous} needs a value; one that begins with - is given as ${ambiguous}=VALUE`);
    if (unknown === undefined) throw new UsageError((error as Error).message.split(". ")[0]!.split("\n")[0]!);
    const known = Object.keys(options).map((name) => `--${name}`);
    throw new UsageError(`unknown option ${unknown}${didYouMean(unknown, known)} (ramplus ${command} --help lists them)`);
  }
}

/** A whole number above 0. */
export function countOf(name: string, value: string | boolean | undefined, most = Number.MAX_SAFE_INTEGER): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && Number(value) > most) throw new UsageError(`--${name} ${value}: expected at most ${most}`);
  if (typeof value !== "string" || !/^\d+$/.test(value) || Number(value) < 1) throw new UsageError(`--${name} ${String(value)}: expected a whole number above 0`);
  return Number(value);
}

/** One of some words. */
export function choiceOf<T extends string>(name: string, value: string | boolean | undefined, choices: readonly T[]): T | undefined {
  if (value === undefined) return undefined;
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new UsageError(`--${name} ${String(value)}: expected ${choices.join(", ")}${didYouMean(String(value), choices)}`);
  return found;
}

export const textOf = (value: string | boolean | undefined): string | undefined => (typeof value === "string" ? value : undefined);
export const deviceOf = (value: string | boolean | undefined): Device | undefined => choiceOf("device", value, devices);
export const precisionOf = (value: string | boolean | undefined): Precision | undefined => choiceOf("dtype", value, precisions);

/** Some of a list of precisions, separated by commas. */
export function precisionsOf(value: string | boolean | undefined): Precision[] | undefined {
  if (typeof value !== "string") return undefined;
  return [...new Set(value.split(",").map((each) => choiceOf("dtype", each.trim(), precisions)!))];
}

/** The object without its undefined values: options that were not given. */
export function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
