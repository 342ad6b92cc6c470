import type { Tag } from "./tag.js";
import { VocabularyError } from "./vocabulary-error.js";

/** Far above the depth of any hierarchy: WordNet's is 20. Without a bound, tags that each imply the next would take memory by the square. */
const impliedLimit = 1000;

/** The WordNet ids that a tag stands for. */
export function wnidsOf(tag: Tag): readonly string[] {
  return tag.wnid === undefined ? [] : typeof tag.wnid === "string" ? [tag.wnid] : tag.wnid;
}

/** Looks tags up by name, alias and WordNet id, and knows which imply which. */
export interface TagIndex {
  readonly tags: readonly Tag[];
  /** The tag of a WordNet id. */
  byWnid(wnid: string): Tag | undefined;
  /** The tag of a name or alias; case does not matter, a tag's own name comes before aliases. */
  byName(name: string): Tag | undefined;
  /** Ids of the tags that a tag implies: its parents, theirs, and so on; without itself. Throws a VocabularyError (bad-tags) where they are over 1,000. */
  impliedBy(tag: Tag): ReadonlySet<number>;
}

/** Indexes a vocabulary. */
export function indexTags(tags: readonly Tag[]): TagIndex {
  const wnids = new Map<string, Tag>();
  const names = new Map<string, Tag>();
  for (const tag of tags) {
    for (const wnid of wnidsOf(tag)) if (!wnids.has(wnid)) wnids.set(wnid, tag);
    for (const alias of tag.aliases ?? []) if (!names.has(alias.toLowerCase())) names.set(alias.toLowerCase(), tag);
  }
  for (const tag of tags) names.set(tag.en.toLowerCase(), tag);
  const parents = (tag: Tag): Tag[] => (tag.parents ?? []).flatMap((name) => names.get(name.toLowerCase()) ?? []);
  const implied = (tag: Tag): Set<number> => {
    const found = new Set<number>();
    const open = parents(tag);
    while (open.length > 0) {
      const next = open.pop()!;
      if (found.has(next.id)) continue;
      found.add(next.id);
      if (found.size > impliedLimit) throw new VocabularyError("bad-tags", "tags", `${tag.en} implies more than ${impliedLimit} tags by its parents and theirs`);
      open.push(...parents(next));
    }
    found.delete(tag.id);
    return found;
  };
  return { tags, byWnid: (wnid) => wnids.get(wnid), byName: (name) => names.get(name.toLowerCase()), impliedBy: implied };
}
