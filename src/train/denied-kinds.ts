import { absent, unknown } from "../data/tag-targets.js";
import type { TagIndex } from "../vocab/tag-index.js";
import type { TrainingPhoto } from "./photo-store.js";

/**
 * Where a photo lacks what a tag implies it lacks the tag: no flower, no rose. Fills in targets that labels leave unknown, in
 * place; photos may share them. Without this a tag of one source is never told apart from the photos of the others.
 */
export function denyKinds(photos: readonly TrainingPhoto[], index: TagIndex): void {
  const implied = index.tags.flatMap((tag) => {
    const parents = [...index.impliedBy(tag)];
    return parents.length === 0 ? [] : [{ id: tag.id, parents }];
  });
  for (const targets of new Set(photos.map((photo) => photo.targets))) {
    for (const { id, parents } of implied) if (targets[id] === unknown && parents.some((parent) => targets[parent] === absent)) targets[id] = absent;
  }
}
