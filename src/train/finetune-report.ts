import type { Tag } from "../vocab/tag.js";
import { heldOutMap } from "./held-out-map.js";
import type { TrainingPhoto } from "./photo-store.js";

/** How a tag did on the photos kept out: average precision, null where fewer than five show it. */
export interface FinetunedTag {
  readonly en: string;
  /** Not a tag of the model before. */
  readonly added: boolean;
  readonly positives: number;
  readonly before: number | null;
  readonly after: number | null;
}

export interface FinetuneResult {
  /** The new model folder. */
  readonly folder: string;
  readonly photos: number;
  readonly heldOut: number;
  /** Mean average precision over tags that five of the photos kept out show: those that were there before, and all. */
  readonly map: { readonly before: number; readonly after: number; readonly afterAll: number };
  readonly tags: readonly FinetunedTag[];
}

/** Logits of the photos kept out, of all tags. */
interface Scores {
  readonly before: readonly Float32Array[];
  readonly after: readonly Float32Array[];
}

const leastPositives = 5;

/** Compares the model with what it was on the photos kept out, for the tags that labels decide. `isNew` says which it did not have. */
export function finetuneReport(photos: readonly TrainingPhoto[], judged: readonly Tag[], isNew: (tag: Tag) => boolean, { before, after }: Scores): Pick<FinetuneResult, "map" | "tags"> {
  const ap = (scores: readonly Float32Array[], tags: readonly Tag[]): number => heldOutMap(scores, photos, tags.map(({ id }) => id));
  const known = judged.filter((tag) => !isNew(tag));
  return {
    map: { before: ap(before, known), after: ap(after, known), afterAll: ap(after, judged) },
    tags: judged.map((tag) => {
      const positives = photos.filter(({ targets }) => targets[tag.id] === 1).length;
      const value = (scores: readonly Float32Array[]): number | null => (positives >= leastPositives ? ap(scores, [tag]) : null);
      return { en: tag.en, added: isNew(tag), positives, before: isNew(tag) ? null : value(before), after: value(after) };
    }),
  };
}
