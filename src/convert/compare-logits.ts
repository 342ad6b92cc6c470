import { probability } from "../tagger/select-tags.js";
import type { Tag } from "../vocab/tag.js";
import type { ReferenceKind } from "./reference-kind.js";

/** A tag that one side returns and the other does not. */
export interface DifferingTag {
  readonly id: number;
  readonly en: string;
  readonly threshold: number;
  /** Probability here and in the reference. */
  readonly here: number;
  readonly there: number;
}

/** How far the scores of a photo are from the reference's. */
export interface LogitComparison {
  /** Differences of logits; null where the reference gives probabilities only. */
  readonly maxLogit: number | null;
  readonly meanLogit: number | null;
  readonly maxProbability: number;
  readonly meanProbability: number;
  /** Tags that both return. */
  readonly common: number;
  readonly onlyHere: readonly DifferingTag[];
  readonly onlyThere: readonly DifferingTag[];
}

function largestAndMean(a: Float32Array, b: Float32Array): [number, number] {
  let [largest, sum] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    largest = Math.max(largest, difference);
    sum += difference;
  }
  return [largest, sum / a.length];
}

/** Compares a photo's logits with the reference's logits or probabilities, one for each tag by id. */
export function compareLogits(tags: readonly Tag[], here: Float32Array, there: Float32Array, kind: ReferenceKind): LogitComparison {
  const probabilities = { here: here.map(probability), there: kind === "sigmoid" ? there : there.map(probability) };
  const [maxLogit, meanLogit] = kind === "sigmoid" ? [null, null] : largestAndMean(here, there);
  const [maxProbability, meanProbability] = largestAndMean(probabilities.here, probabilities.there);
  const onlyHere: DifferingTag[] = [];
  const onlyThere: DifferingTag[] = [];
  let common = 0;
  for (const { id, en, threshold } of tags) {
    if (threshold === null) continue;
    const sides = { here: probabilities.here[id]!, there: probabilities.there[id]! };
    const [fires, fired] = [sides.here > Math.fround(threshold), sides.there > Math.fround(threshold)];
    if (fires && fired) common++;
    else if (fires !== fired) (fires ? onlyHere : onlyThere).push({ id, en, threshold, ...sides });
  }
  return { maxLogit, meanLogit, maxProbability, meanProbability, common, onlyHere, onlyThere };
}
