import { showJson } from "../json.js";
import type { Tag } from "./tag.js";
import { VocabularyError } from "./vocabulary-error.js";

const maxTags = 1_000_000;
const maxNameLength = 1_000;
const maxNames = 1_000;
const wnidForm = /^n\d{8}$/;

/**
 * The tags of a parsed `tags.json`: ids 0, 1, 2 ... in order, `en` (not blank) and `zh` strings, `threshold` null or from
 * 0 to 1, `aliases` and `parents` lists of names, `lifted` true or false, `wnid` one WordNet id or a list. Other fields are passed over.
 * `file` is named in errors. Throws a VocabularyError (bad-tags) that names the tag, the field and what is there.
 */
export function parseTags(json: unknown, file: string): Tag[] {
  if (!Array.isArray(json)) throw bad(file, `expected a list of tags, received ${showJson(json)}`);
  if (json.length === 0 || json.length > maxTags) throw bad(file, `expected 1 to ${maxTags} tags, received ${json.length}`);
  return json.map((value: unknown, id) => parseTag(value, id, file));
}

/** The text of `tags.json`, one tag a line so that a change of one tag is a change of one line. */
export function serialiseTags(tags: readonly Tag[]): string {
  const lines = tags.map(({ id, en, zh, threshold, aliases, parents, lifted, wnid }) => `  ${JSON.stringify({ id, en, zh, threshold, aliases, parents, lifted, wnid })}`);
  return `[\n${lines.join(",\n")}\n]\n`;
}

function parseTag(value: unknown, id: number, file: string): Tag {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(file, `tag ${id}: expected an object, received ${showJson(value)}`);
  const fields = value as Readonly<Record<string, unknown>>;
  if (fields["id"] !== id) throw bad(file, `tag ${id}: ids count from 0 in order; expected ${id}, received ${showJson(fields["id"])}`);
  const { threshold, zh, aliases, parents, lifted, wnid } = fields;
  const en = name(fields["en"], `tag ${id}: en`, file);
  if (typeof zh !== "string" || zh.length > maxNameLength) throw bad(file, `tag ${id}: zh: expected a string of at most ${maxNameLength} characters, received ${showJson(zh)}`);
  if (threshold !== null && !(typeof threshold === "number" && threshold >= 0 && threshold <= 1)) {
    throw bad(file, `tag ${id}: threshold: expected null or a number from 0 to 1, received ${showJson(threshold)}`);
  }
  if (lifted !== undefined && typeof lifted !== "boolean") throw bad(file, `tag ${id}: lifted: expected true or false, received ${showJson(lifted)}`);
  return {
    id,
    en,
    zh,
    threshold,
    ...(aliases !== undefined && { aliases: names(aliases, `tag ${id}: aliases`, file) }),
    ...(parents !== undefined && { parents: names(parents, `tag ${id}: parents`, file) }),
    ...(lifted !== undefined && { lifted }),
    ...(wnid !== undefined && { wnid: wnids(wnid, `tag ${id}: wnid`, file) }),
  };
}

function name(value: unknown, where: string, file: string): string {
  if (typeof value === "string" && value.trim() !== "" && value.length <= maxNameLength) return value;
  throw bad(file, `${where}: expected a name of 1 to ${maxNameLength} characters, received ${showJson(value)}`);
}

function names(value: unknown, where: string, file: string): string[] {
  if (!Array.isArray(value) || value.length > maxNames) throw bad(file, `${where}: expected a list of at most ${maxNames} names, received ${showJson(value)}`);
  return value.map((each: unknown) => name(each, where, file));
}

function wnids(value: unknown, where: string, file: string): string | string[] {
  const isWnid = (id: unknown): id is string => typeof id === "string" && wnidForm.test(id);
  if (isWnid(value)) return value;
  if (Array.isArray(value) && value.length > 0 && value.length <= maxNames && value.every(isWnid)) return value;
  throw bad(file, `${where}: expected a WordNet id ("n" and eight digits) or a list of them, received ${showJson(value)}`);
}

function bad(file: string, problem: string): VocabularyError {
  return new VocabularyError("bad-tags", file, problem);
}
