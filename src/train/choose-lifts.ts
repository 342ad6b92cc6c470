import { impliedLift } from "../vocab/lift-implied.js";
import type { Tag } from "../vocab/tag.js";
import { heldOutMap } from "./held-out-map.js";
import type { TrainResult } from "./train.js";

/**
 * The tags of a model, each with whether tags that imply it lift it (`impliedLift`): one that labels decide where that ranks the photos kept
 * out no worse, by average precision; others as before. `logits` [photos][tags] are the network's, comparable across tags.
 */
export function chooseLifts({ tags, heldOut, decided }: Pick<TrainResult, "tags" | "heldOut" | "decided">, logits: readonly Float32Array[]): Tag[] {
  const lift = impliedLift(tags.map(({ lifted: _, ...tag }) => tag));
  const lifted = logits.map((row) => {
    const copy = row.slice();
    lift(copy);
    return copy;
  });
  const labelled = new Set(decided);
  return tags.map(({ lifted: before, ...tag }) => {
    const isLifted = labelled.has(tag.id) ? heldOutMap(lifted, heldOut, [tag.id]) >= heldOutMap(logits, heldOut, [tag.id]) : before !== false;
    return isLifted ? tag : { ...tag, lifted: false };
  });
}
