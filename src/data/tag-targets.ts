import type { Tag } from "../vocab/tag.js";
import type { TagIndex } from "../vocab/tag-index.js";
import type { SetClass } from "./labelled-set.js";

/** A tag of a photo: present, absent, or not said by the photo's source. */
export const present = 1;
export const absent = 0;
export const unknown = -1;

/** What the labels of one set say about the tags of a vocabulary. */
export interface TagTargets {
  /** For each class the tag that stands for it, or null. */
  readonly classTags: readonly (Tag | null)[];
  /** Names of classes without a tag. */
  readonly untagged: readonly string[];
  /** Ids of the tags that the set's labels decide, ascending. */
  readonly covered: readonly number[];
  /** Those of them that no class of the set stands for: known only as implied by a class. */
  readonly implied: readonly number[];
  /** For each tag: present, absent or unknown, given the classes of a photo; shared between photos of the same classes. */
  row(labels: readonly number[]): Int8Array;
}

/**
 * Reads a set's classes as tags: by WordNet id, else by name or alias. A photo's classes and all that they imply are
 * present; every other tag that some class of the set is or implies is absent; about the rest the set says nothing.
 */
export function createTargets(classes: readonly SetClass[], index: TagIndex): TagTargets {
  const classTags = classes.map(({ name, wnid }) => (wnid === undefined ? undefined : index.byWnid(wnid)) ?? index.byName(name) ?? null);
  const presentTags = classTags.map((tag) => new Set(tag === null ? [] : [tag.id, ...index.impliedBy(tag)]));
  const covered = [...new Set(presentTags.flatMap((ids) => [...ids]))].sort((a, b) => a - b);
  const own = new Set(classTags.map((tag) => tag?.id));
  const rows = new Map<string, Int8Array>();
  return {
    classTags,
    untagged: classes.flatMap(({ name }, i) => (classTags[i] === null ? [name] : [])),
    covered,
    implied: covered.filter((id) => !own.has(id)),
    row(labels) {
      const key = labels.join();
      const known = rows.get(key);
      if (known !== undefined) return known;
      const row = new Int8Array(index.tags.length).fill(unknown);
      for (const id of covered) row[id] = absent;
      for (const label of labels) for (const id of presentTags[label]!) row[id] = present;
      rows.set(key, row);
      return row;
    },
  };
}
