import { existsSync } from "node:fs";
import { mkdir, readdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { CheckpointError } from "../checkpoint/checkpoint-error.js";
import { readSafetensorsFile } from "../checkpoint/read-safetensors.js";
import { writeSafetensors } from "../checkpoint/write-safetensors.js";
import { parseJson, showJson } from "../json.js";
import { castTensor } from "../tensor/cast.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import type { BankOrigin, BankTag, TagBank } from "./tag-bank.js";
import { parseTags } from "./tag-list.js";
import { VocabularyError } from "./vocabulary-error.js";

const formatVersion = "1";
const extension = ".safetensors";
/** Twice the published table of 4,585 tags with 51 descriptions. */
const largestBank = 2 ** 30;
const maxDescriptions = 1_000;

/** Where banks lie that are named and not given as files: `RAMPLUS_BANKS`, else `ramplus/banks` in `XDG_DATA_HOME` or `~/.local/share`. They are a person's work, so not in a cache. */
export function banksFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return env["RAMPLUS_BANKS"] || join(env["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "ramplus", "banks");
}

/** The file of a bank: a path as it is, a plain name in the banks' folder. Throws a VocabularyError (bad-bank) for a name that is none. */
export function bankFile(nameOrPath: string, folder: string = banksFolder()): string {
  if (/[/\\]/.test(nameOrPath) || nameOrPath.endsWith(extension)) return nameOrPath;
  if (!/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,99}$/u.test(nameOrPath)) throw new VocabularyError("bad-bank", nameOrPath, "is no name for a bank: expected letters, digits, blanks, dots, - and _, at most 100, or the path of a file");
  return join(folder, `${nameOrPath}${extension}`);
}

/** The bank's name by its file. */
export const bankName = (file: string): string => basename(file, extension);

/** Names of the banks in a folder, sorted. A folder that is not there has none. */
export async function listBanks(folder: string = banksFolder()): Promise<string[]> {
  const files = await readdir(folder).catch(() => []);
  return files.filter((file) => file.endsWith(extension)).map(bankName).sort();
}

export interface WriteBankOptions {
  /** How rows are stored: "fp16" takes half the bytes and moves logits by about a thousandth. @default "fp32" */
  readonly dtype?: "fp32" | "fp16";
}

/**
 * Writes a bank: a safetensors file with `label_embed` [rows, W] in the order of the tags, `label_bias` [tags] where any has
 * one, and the tags as JSON in its metadata. Written beside and renamed. Throws a VocabularyError (unwritable).
 */
export async function writeBank(file: string, bank: TagBank, { dtype = "fp32" }: WriteBankOptions = {}): Promise<void> {
  const { width, origin, tags } = bank;
  const rows = new Float32Array(tags.reduce((sum, tag) => sum + tag.rows.length, 0));
  let end = 0;
  for (const tag of tags) {
    rows.set(tag.rows, end);
    end += tag.rows.length;
  }
  const embed = float32([rows.length / width, width], rows);
  const tensors: { name: string; tensor: Tensor }[] = [{ name: "label_embed", tensor: dtype === "fp16" ? castTensor(embed, "float16") : embed }];
  if (tags.some(({ bias }) => bias !== undefined)) tensors.push({ name: "label_bias", tensor: float32([tags.length], tags.map(({ bias }) => bias ?? 0)) });
  const list = tags.map(({ rows: own, bias: _bias, ...facts }, id) => ({ id, ...facts, descriptions: own.length / width }));
  const metadata = { format: "ramplus-bank", format_version: formatVersion, origin: JSON.stringify(origin), tags: JSON.stringify(list) };
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeSafetensors(file, tensors, metadata);
  } catch (cause) {
    if (cause instanceof CheckpointError || "syscall" in (cause as Error)) throw new VocabularyError("unwritable", file, `cannot be written: ${(cause as Error).message}`, { cause });
    throw cause;
  }
}

/** Reads a bank by its path or name. Throws a VocabularyError: not-found (saying which there are), too-large, bad-bank naming what is wrong. */
export async function readBank(nameOrPath: string, folder: string = banksFolder()): Promise<TagBank> {
  const file = bankFile(nameOrPath, folder);
  if (!existsSync(file)) {
    const known = await listBanks(folder);
    throw new VocabularyError("not-found", file, `no such bank; ${known.length === 0 ? `there are none in ${folder}` : `there are ${known.join(", ")}`} (\`ramplus vocab build\` makes one)`);
  }
  const { size } = await stat(file);
  if (size > largestBank) throw new VocabularyError("too-large", file, `has ${size} bytes; a bank has at most ${largestBank}`);
  try {
    const { tensors, metadata } = await readSafetensorsFile(file);
    return parseBank(file, tensors, metadata);
  } catch (cause) {
    if (cause instanceof CheckpointError) throw new VocabularyError("bad-bank", file, `is no bank: ${cause.message.slice(file.length + 2)}`, { cause });
    throw cause;
  }
}

function parseBank(file: string, tensors: ReadonlyMap<string, Tensor>, metadata: ReadonlyMap<string, string>): TagBank {
  const bad = (problem: string, options?: ErrorOptions): VocabularyError => new VocabularyError("bad-bank", file, problem, options);
  if (metadata.get("format") !== "ramplus-bank") throw bad("is no bank: its metadata do not say ramplus-bank; `ramplus vocab build` makes banks from descriptions");
  if (metadata.get("format_version") !== formatVersion) throw bad(`format_version ${showJson(metadata.get("format_version"))}: this release reads ${formatVersion}; install the release that made it, or build it again`);
  const json = (key: string): unknown => {
    try {
      return parseJson(metadata.get(key) ?? "");
    } catch (cause) {
      throw bad(`its ${key} are not JSON: ${(cause as Error).message}`, { cause });
    }
  };
  const embed = tensors.get("label_embed");
  if (embed === undefined || embed.shape.length !== 2 || !(embed.dtype === "float32" || embed.dtype === "float16")) throw bad("has no label_embed [rows, width] in float32 or float16");
  const width = embed.shape[1]!;
  const rows = castTensor(embed, "float32").data as Float32Array;
  if (!rows.every(Number.isFinite)) throw bad("label_embed has values that are not finite");
  const list = json("tags");
  const tags = namedTags(list, file);
  const biases = tensors.get("label_bias");
  if (biases !== undefined && !(biases.dtype === "float32" && biases.shape.length === 1 && biases.shape[0] === tags.length && (biases.data as Float32Array).every(Number.isFinite))) throw bad("label_bias: expected a finite float32 for each tag");
  let end = 0;
  const complete = tags.map(({ id, ...facts }): BankTag => {
    const count = (list as { descriptions?: unknown }[])[id]!.descriptions;
    if (typeof count !== "number" || !Number.isInteger(count) || count < 1 || count > maxDescriptions) throw bad(`tag ${id}: descriptions ${showJson(count)}: expected 1 to ${maxDescriptions}`);
    const own = rows.subarray(end, (end += count * width));
    if (own.length !== count * width) throw bad(`tag ${id}: label_embed ends before its rows`);
    return { ...facts, rows: own, ...(biases !== undefined && { bias: (biases.data as Float32Array)[id]! }) };
  });
  if (end !== rows.length) throw bad(`label_embed has ${embed.shape[0]} rows, its tags ask for ${end / width}`);
  return { name: bankName(file), width, origin: parseOrigin(json("origin"), bad), tags: complete };
}

function namedTags(list: unknown, file: string): ReturnType<typeof parseTags> {
  try {
    const tags = parseTags(list, file);
    const names = new Set<string>();
    for (const { en } of tags) {
      if (names.has(en)) throw new VocabularyError("bad-bank", file, `the tag ${JSON.stringify(en)} occurs twice`);
      names.add(en);
    }
    return tags;
  } catch (cause) {
    if (cause instanceof VocabularyError && cause.code === "bad-tags") throw new VocabularyError("bad-bank", file, cause.message.slice(file.length + 2), { cause });
    throw cause;
  }
}

function parseOrigin(json: unknown, bad: (problem: string) => VocabularyError): BankOrigin {
  const { kind, id } = (typeof json === "object" && json !== null ? json : {}) as { kind?: unknown; id?: unknown };
  if ((kind !== "text-encoder" && kind !== "model") || typeof id !== "string" || !/^[0-9a-f]{64}$/.test(id)) throw bad(`origin ${showJson(json)}: expected {"kind": "text-encoder" or "model", "id": a sha256}`);
  return { kind, id };
}
