import { existsSync } from "node:fs";
import { bankFile, banksFolder, buildBank, bytesText, descriptionsOf, diffBanks, exportBank, fitsPattern, listBanks, mergeBanks, originText, readBank, readDescriptions, readTextList, templateDescriptions, VocabularyError, writeBank, type Description, type TagBank } from "../index.js";
import { choiceOf, given, parseCommand, textOf, type Parsed } from "./arguments.js";
import { printable, UsageError, write, type CliIo } from "./io.js";
import { columns } from "./quantities.js";
import { openTextEncoder } from "./text-encoder.js";

export const vocabHelp = `ramplus vocab build NAME --descriptions FILE [options]
ramplus vocab build NAME TAG... [options]
ramplus vocab list [--json]
ramplus vocab show NAME [--json]
ramplus vocab merge NAME NAME... --out NAME [--only, --exclude]
ramplus vocab diff NAME NAME
ramplus vocab export NAME --out FILE [--only, --exclude]

Banks of tags: what a model does not know, ready to be looked for with ramplus tag --vocab NAME. A NAME is that of a bank in
${"`"}RAMPLUS_BANKS${"`"} (default: ~/.local/share/ramplus/banks), or the path of a file.

build encodes descriptions (ramplus describe writes them), or for bare TAGs the 63 templates of RAM's open set, with CLIP's text
encoder (ramplus pull clip-text). It goes on where it was interrupted. For RAM++ and RAM; the embedded model is taught instead.

  --descriptions FILE   JSON, [{"tag": ["a text", ...]}, ...]; as many texts a tag as you like
  --file TAGS.txt       tags from a file, one a line
  --text-encoder DIR    folder of a CLIP model (default: what ramplus pull clip-text fetched)
  --zh FILE             Chinese names, one a line in the order of the tags
  --threshold T         threshold of every tag (default: 0.5, as in the reference's open set)
  --dtype fp32|fp16     how rows are stored (default: fp32); fp16 takes half the bytes and moves scores by about a thousandth
  --out                 where merge and export write: export by the file's ending .safetensors (a bank), .json or .txt (names)
  --only, --exclude P   tags that fit a pattern (* and ?); several, separated by commas
  --force               write over what is there
`;

const options = {
  descriptions: { type: "string" },
  file: { type: "string" },
  "text-encoder": { type: "string" },
  zh: { type: "string" },
  threshold: { type: "string" },
  dtype: { type: "string" },
  out: { type: "string" },
  only: { type: "string" },
  exclude: { type: "string" },
  json: { type: "boolean" },
  force: { type: "boolean" },
} as const;

type Values = Parsed["values"];

const actions = ["build", "list", "show", "merge", "diff", "export"] as const;

/** `ramplus vocab`. */
export async function vocabCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("vocab", args, options);
  const [first, ...rest] = positionals;
  if (first === undefined) throw new UsageError(`vocab needs one of ${actions.join(", ")} (ramplus vocab --help)`);
  switch (choiceOf("vocab", first, actions)!) {
    case "build":
      return build(rest, values, io);
    case "list":
      return list(values, io);
    case "show":
      return show(rest, values, io);
    case "merge":
      return merge(rest, values, io);
    case "diff":
      return diff(rest, io);
    case "export":
      return exportTo(rest, values, io);
  }
}

/** Names or patterns separated by commas. */
export function listOf(value: string | boolean | undefined): string[] | undefined {
  if (typeof value !== "string") return undefined;
  return value.split(",").map((each) => each.trim()).filter((each) => each !== "");
}

const fresh = (file: string, values: Values): string => {
  if (values["force"] !== true && existsSync(file)) throw new UsageError(`${file} is there already: --force writes over it`);
  return file;
};

const summary = (bank: TagBank): string => `${bank.tags.length} ${bank.tags.length === 1 ? "tag" : "tags"}, ${bank.tags.reduce((sum, tag) => sum + descriptionsOf(bank, tag), 0)} rows`;

async function build([name, ...tags]: readonly string[], values: Values, io: CliIo): Promise<number> {
  if (name === undefined) throw new UsageError("vocab build needs a NAME and --descriptions FILE, or tags");
  const file = fresh(bankFile(name), values);
  const threshold = values["threshold"] === undefined ? undefined : Number(values["threshold"]);
  if (threshold !== undefined && !(threshold >= 0 && threshold <= 1)) throw new UsageError(`--threshold ${String(values["threshold"])}: expected a number from 0 to 1`);
  const descriptions = await descriptionsFor(tags, values);
  const zh = textOf(values["zh"]) === undefined ? undefined : await chineseNames(textOf(values["zh"])!, descriptions);
  await using encoder = await openTextEncoder(textOf(values["text-encoder"]), io);
  const terminal = io.stderr.isTTY === true;
  let told = -1;
  const onProgress = (done: number, total: number): void => {
    // On a terminal as it goes; in a log every tenth.
    const tenth = Math.floor((10 * done) / total);
    if (terminal) io.stderr.write(`\r${done} of ${total} descriptions`);
    else if (tenth > told) io.stderr.write(`ramplus: ${done} of ${total} descriptions\n`);
    told = tenth;
  };
  try {
    const bank = await buildBank(file, descriptions, encoder, { signal: io.signal, onProgress, ...given({ zh, threshold, dtype: choiceOf("dtype", values["dtype"], ["fp32", "fp16"]) }) });
    if (terminal) io.stderr.write("\r\u001b[K");
    await write(io.stdout, `${printable(file)}: ${summary(bank)}\n`);
    return 0;
  } catch (error) {
    if (terminal) io.stderr.write("\r\u001b[K");
    if (existsSync(`${file}.part`)) io.stderr.write(`ramplus: what was encoded is kept in ${printable(file)}.part: the same command goes on\n`);
    throw error;
  }
}

async function descriptionsFor(positionals: readonly string[], values: Values): Promise<Description[]> {
  const file = textOf(values["descriptions"]);
  const listed = textOf(values["file"]);
  const tags = [...new Set([...positionals, ...(listed === undefined ? [] : await readTextList(listed))].map((tag) => tag.trim()))];
  if (file !== undefined && tags.length > 0) throw new UsageError("give tags or --descriptions, not both");
  if (file !== undefined) return readDescriptions(file);
  if (tags.length === 0) throw new UsageError("vocab build needs --descriptions FILE, TAGs or --file TAGS.txt");
  return templateDescriptions(tags);
}

async function chineseNames(file: string, descriptions: readonly Description[]): Promise<Map<string, string>> {
  const names = await readTextList(file);
  if (names.length !== descriptions.length) throw new UsageError(`${file} has ${names.length} names; there are ${descriptions.length} tags`);
  return new Map(descriptions.map(({ tag }, i) => [tag, names[i]!]));
}

async function list(values: Values, io: CliIo): Promise<number> {
  const banks: { name: string; tags: number; origin: string; bytes: string; error?: string }[] = [];
  for (const name of await listBanks()) {
    try {
      const bank = await readBank(name);
      banks.push({ name, tags: bank.tags.length, origin: originText(bank), bytes: bytesText(4 * bank.tags.reduce((sum, tag) => sum + tag.rows.length, 0)) });
    } catch (error) {
      if (!(error instanceof VocabularyError)) throw error;
      banks.push({ name, tags: 0, origin: `cannot be read (${error.code})`, bytes: "", error: error.message });
    }
  }
  if (values["json"] === true) await write(io.stdout, `${JSON.stringify(banks, null, 2)}\n`);
  else if (banks.length === 0) await write(io.stdout, `no banks in ${printable(banksFolder())}\n`);
  else await write(io.stdout, columns([["NAME", "TAGS", "ROWS", "MADE BY"], ...banks.map(({ name, tags, bytes, origin }) => [printable(name), String(tags), bytes, origin])], [1, 2]));
  return 0;
}

async function show(names: readonly string[], values: Values, io: CliIo): Promise<number> {
  const [name] = names;
  if (names.length !== 1) throw new UsageError("vocab show takes one NAME");
  const bank = await readBank(name!);
  const facts = bank.tags.map(({ rows: _rows, ...tag }, i) => ({ ...tag, descriptions: descriptionsOf(bank, bank.tags[i]!) }));
  if (values["json"] === true) {
    await write(io.stdout, `${JSON.stringify({ name: bank.name, width: bank.width, origin: bank.origin, tags: facts }, null, 2)}\n`);
    return 0;
  }
  await write(io.stdout, `${printable(bank.name)}: ${summary(bank)}, made by ${originText(bank)}\n${columns([["TAG", "CHINESE", "THRESHOLD", "ROWS"], ...facts.map(({ en, zh, threshold, descriptions }) => [printable(en), printable(zh), threshold === null ? "off" : threshold.toFixed(3), String(descriptions)])], [2, 3])}`);
  return 0;
}

/** The bank without the tags that --only and --exclude leave out. */
function chosen(bank: TagBank, values: Values): TagBank {
  const [only, exclude] = [listOf(values["only"]), listOf(values["exclude"])];
  const fits = (names: readonly string[], patterns: readonly string[]): boolean => names.some((name) => patterns.some((pattern) => fitsPattern(name, pattern)));
  const tags = bank.tags.filter(({ en, zh, aliases = [] }) => (only === undefined || fits([en, zh, ...aliases], only)) && !(exclude !== undefined && fits([en, zh, ...aliases], exclude)));
  if (tags.length === 0) throw new UsageError(`no tag of ${bank.name} is left by --only and --exclude`);
  return { ...bank, tags };
}

async function merge(names: readonly string[], values: Values, io: CliIo): Promise<number> {
  const out = textOf(values["out"]);
  if (names.length < 2 || out === undefined) throw new UsageError("vocab merge needs two NAMEs or more and --out NAME");
  const file = fresh(bankFile(out), values);
  const banks: TagBank[] = [];
  for (const name of names) banks.push(await readBank(name));
  const merged = chosen(mergeBanks(out, banks), values);
  await writeBank(file, merged);
  await write(io.stdout, `${printable(file)}: ${summary(merged)}\n`);
  return 0;
}

async function diff(names: readonly string[], io: CliIo): Promise<number> {
  if (names.length !== 2) throw new UsageError("vocab diff takes two NAMEs");
  const { onlyFirst, onlySecond, changed } = diffBanks(await readBank(names[0]!), await readBank(names[1]!));
  const lines = [...onlyFirst.map((tag) => `- ${printable(tag)}`), ...onlySecond.map((tag) => `+ ${printable(tag)}`), ...changed.map((tag) => `~ ${printable(tag)}`)];
  await write(io.stdout, lines.length === 0 ? "no difference\n" : `${lines.join("\n")}\n`);
  return 0;
}

async function exportTo(names: readonly string[], values: Values, io: CliIo): Promise<number> {
  const out = textOf(values["out"]);
  if (names.length !== 1 || out === undefined) throw new UsageError("vocab export needs one NAME and --out FILE");
  const bank = chosen(await readBank(names[0]!), values);
  const file = fresh(out, values);
  await exportBank(file, bank, given({ dtype: choiceOf("dtype", values["dtype"], ["fp32", "fp16"]) }));
  await write(io.stdout, `${printable(file)}: ${summary(bank)}\n`);
  return 0;
}
