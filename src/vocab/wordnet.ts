import { parseJson } from "../json.js";
import { readText } from "./read-text.js";
import { VocabularyError } from "./vocabulary-error.js";

/** WordNet noun synsets by id ("n" and eight digits): their words and direct hypernyms. */
export type Hypernyms = Readonly<Record<string, { readonly words: readonly string[]; readonly parents: readonly string[] }>>;

/**
 * Reads synsets from a JSON file: id to `{ words, parents }`; other fields (the gloss) are left out.
 * Throws a VocabularyError: not-found, unreadable, too-large, not-utf8, bad-hypernyms (not of this form).
 */
export async function loadHypernyms(file: string): Promise<Hypernyms> {
  const bad = (problem: string, options?: ErrorOptions): VocabularyError => new VocabularyError("bad-hypernyms", file, problem, options);
  const text = await readText(file);
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (cause) {
    throw bad(`is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (!isObject(json)) throw bad("expected an object of synsets by WordNet id");
  const synsets = Object.entries(json).map(([wnid, synset]) => {
    if (!/^n\d{8}$/.test(wnid)) throw bad(`${JSON.stringify(wnid.slice(0, 40))} is no WordNet id: expected "n" and eight digits`);
    const { words, parents } = isObject(synset) ? synset : {};
    if (!isStrings(words) || !isStrings(parents)) throw bad(`${wnid}: expected an object with the lists \`words\` and \`parents\``);
    return [wnid, { words, parents }] as const;
  });
  return Object.fromEntries(synsets);
}

/** Every ancestor of a synset, without itself; empty for an unknown id. */
export function ancestors(wnid: string, hypernyms: Hypernyms): Set<string> {
  const found = new Set<string>();
  const open = [...(hypernyms[wnid]?.parents ?? [])];
  while (open.length > 0) {
    const next = open.pop()!;
    if (found.has(next)) continue;
    found.add(next);
    open.push(...(hypernyms[next]?.parents ?? []));
  }
  return found;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);
const isStrings = (value: unknown): value is string[] => Array.isArray(value) && value.every((each) => typeof each === "string");
