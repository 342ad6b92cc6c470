import { indexTags } from "../vocab/tag-index.js";
import type { Tag } from "../vocab/tag.js";

/**
 * The tags of a model, each with whether tags that imply it lift it (`impliedLift`): not those of `named`, by id, which labels name themselves
 * and which so were learnt from photos of their own; others as before. On COCO the former are ranked better unlifted, the latter lifted.
 */
export function chooseLifts(tags: readonly Tag[], named: Iterable<number>): Tag[] {
  const index = indexTags(tags);
  const implied = new Set(tags.flatMap((tag) => [...index.impliedBy(tag)]));
  const own = new Set(named);
  return tags.map((tag) => (own.has(tag.id) && implied.has(tag.id) ? { ...tag, lifted: false } : tag));
}
