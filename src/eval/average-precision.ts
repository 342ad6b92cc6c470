import { byFallingScore } from "./ranking.js";

/**
 * Average precision as the reference computes it: photos by falling score, the sum over the positives of (positives so far /
 * rank), divided by (number of positives + 1e-8); 0 without positives. Among equal scores the later photo comes first.
 */
export function averagePrecision(scores: ArrayLike<number>, truth: ArrayLike<boolean | number>): number {
  return rankedPrecision(byFallingScore(scores), truth);
}

/** The same for an order of the photos that is known. */
export function rankedPrecision(order: Uint32Array, truth: ArrayLike<boolean | number>): number {
  let [positives, sum] = [0, 0];
  order.forEach((i, rank) => {
    if (truth[i]) sum += ++positives / (rank + 1);
  });
  return positives === 0 ? 0 : sum / (positives + 1e-8);
}
