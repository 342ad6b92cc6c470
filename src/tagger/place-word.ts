import type { Tag } from "../vocab/tag.js";
import { wnidsOf } from "../vocab/tag-index.js";
import type { Hypernyms } from "../vocab/wordnet.js";

/** How a word that is no tag is looked for by tags that are. */
export interface PlacedWord {
  /** "kinds": the tags are kinds of it, and any of them will do. "kind of": it is a kind of the tags, which do not tell it from their other kinds. */
  readonly relation: "kinds" | "kind of";
  readonly ids: readonly number[];
}

/** Places words among tags by WordNet. */
export function wordPlacer(tags: readonly Tag[], hypernyms: Hypernyms): (word: string) => PlacedWord | null {
  const synsets = new Map<string, string[]>();
  const children = new Map<string, string[]>();
  for (const [wnid, { words, parents }] of Object.entries(hypernyms)) {
    for (const word of words) add(synsets, plain(word), wnid);
    for (const parent of parents) add(children, parent, wnid);
  }
  const owners = new Map<string, number[]>();
  for (const tag of tags) for (const wnid of wnidsOf(tag)) add(owners, wnid, tag.id);
  return (word) => {
    const own = synsets.get(plain(word)) ?? [];
    const kinds = [...reach(own, (wnid) => children.get(wnid) ?? [])].flatMap((wnid) => owners.get(wnid) ?? []);
    if (kinds.length > 0) return { relation: "kinds", ids: [...new Set(kinds)].sort((a, b) => a - b) };
    // Step by step upwards, to the nearest that is known.
    let level = new Set(own);
    for (const seen = new Set(own); level.size > 0; ) {
      const ids = [...level].flatMap((wnid) => owners.get(wnid) ?? []);
      if (ids.length > 0) return { relation: "kind of", ids: [...new Set(ids)].sort((a, b) => a - b) };
      level = new Set([...level].flatMap((wnid) => hypernyms[wnid]?.parents ?? []).filter((wnid) => !seen.has(wnid)));
      for (const wnid of level) seen.add(wnid);
    }
    return null;
  };
}

const plain = (word: string): string => word.toLowerCase().replaceAll("_", " ").trim();

function add<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

/** What can be reached from some places, these included. */
function reach(from: readonly string[], next: (at: string) => readonly string[]): Set<string> {
  const found = new Set(from);
  for (const at of found) for (const each of next(at)) found.add(each);
  return found;
}
