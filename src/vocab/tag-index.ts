import type { Tag } from "./tag.js";
import { ancestors, type Hypernyms } from "./wordnet.js";

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
  /** Ids of the tags that a tag implies: parents of parents too, and those of its synsets' hypernyms. */
  impliedBy(tag: Tag): ReadonlySet<number>;
  /** Ids of the tags that a synset implies, its own tag included. */
  impliedByWnid(wnid: string): ReadonlySet<number>;
}

/** Indexes a vocabulary. Hypernyms between the tags' synsets are found where WordNet is given. */
export function indexTags(tags: readonly Tag[], hypernyms: Hypernyms = {}): TagIndex {
  const wnids = new Map<string, Tag>();
  const names = new Map<string, Tag>();
  for (const tag of tags) {
    for (const wnid of wnidsOf(tag)) if (!wnids.has(wnid)) wnids.set(wnid, tag);
    for (const alias of tag.aliases ?? []) if (!names.has(alias.toLowerCase())) names.set(alias.toLowerCase(), tag);
  }
  for (const tag of tags) names.set(tag.en.toLowerCase(), tag);
  const ownParents = (tag: Tag): number[] => (tag.parents ?? []).flatMap((name) => names.get(name.toLowerCase())?.id ?? []);
  const close = (start: Iterable<number>): Set<number> => {
    const found = new Set<number>();
    const open = [...start];
    while (open.length > 0) {
      const id = open.pop()!;
      if (found.has(id)) continue;
      found.add(id);
      open.push(...ownParents(tags[id]!));
    }
    return found;
  };
  const ofWnid = (wnid: string): Set<number> => close([wnid, ...ancestors(wnid, hypernyms)].flatMap((id) => wnids.get(id)?.id ?? []));
  const implied = tags.map((tag) => {
    // A tag that merges synsets implies only what each of them implies.
    const each = wnidsOf(tag).map(ofWnid);
    const common = each.length === 0 ? [] : [...each[0]!].filter((id) => each.every((set) => set.has(id)));
    const all = close([...common, ...ownParents(tag)]);
    all.delete(tag.id);
    return all as ReadonlySet<number>;
  });
  return { tags, byWnid: (wnid) => wnids.get(wnid), byName: (name) => names.get(name.toLowerCase()), impliedBy: (tag) => implied[tag.id]!, impliedByWnid: ofWnid };
}
