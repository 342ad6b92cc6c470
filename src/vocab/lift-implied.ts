import { indexTags } from "./tag-index.js";
import type { Tag } from "./tag.js";

/** Lifts a photo's logits in place: those of a vocabulary's tags, by id, from `start` on. */
export type LiftImplied = (logits: Float32Array, start?: number) => void;

/** How much of the way up. */
const share = 1 / 3;

/**
 * Makes what lifts the logits of tags that others imply: where the surest tag that implies it is surer than a tag, by logits, it
 * comes a third of the way up to that one, unless it is not to be `lifted`. A photo that shows a dog shows an animal; a third, since the surest of many
 * is often too sure: half ranks the embedded model's photos, small and large, worse. For logits that compare across tags, as those of models that were trained with parents.
 */
export function impliedLift(tags: readonly Omit<Tag, "id">[]): LiftImplied {
  const index = indexTags(tags.map((tag, id) => ({ ...tag, id })));
  const implying = new Map<number, number[]>();
  for (const tag of index.tags) {
    for (const id of index.impliedBy(tag)) {
      if (index.tags[id]!.lifted === false) continue;
      const own = implying.get(id);
      if (own === undefined) implying.set(id, [tag.id]);
      else own.push(tag.id);
    }
  }
  return (logits, start = 0) => {
    const lifted = [...implying].map(([id, own]): [number, number] => {
      const surest = own.reduce((most, each) => Math.max(most, logits[start + each]!), -Infinity);
      const logit = logits[start + id]!;
      return [id, surest > logit ? logit + share * (surest - logit) : logit];
    });
    // Only now: what lifts a tag is what the network says, not what was lifted.
    for (const [id, logit] of lifted) logits[start + id] = logit;
  };
}
