import { indexTags } from "../vocab/tag-index.js";
import type { TagChoice } from "./tag-choice.js";
import type { TagScore } from "./select-tags.js";

/** Leaves out tags that another of the tags given implies: "animal" beside "dog". */
export type Prune = (given: readonly TagScore[]) => TagScore[];

/** Prunes by what the tags of a choice say of their parents, those not looked for included where they lie between two that are. */
export function impliedPruner({ columnTags }: TagChoice): Prune {
  const index = indexTags(columnTags);
  const known = new Map<string, ReadonlySet<string>>();
  const impliedBy = (name: string): ReadonlySet<string> => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const tag = index.byName(name);
    const implied = new Set(tag === undefined ? [] : [...index.impliedBy(tag)].map((id) => columnTags[id]!.en));
    known.set(name, implied);
    return implied;
  };
  return (given) => given.filter(({ en }) => !given.some((other) => other.en !== en && impliedBy(other.en).has(en)));
}
