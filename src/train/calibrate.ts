import { limited, preciseF1Threshold, type FittedThreshold } from "./f1-threshold.js";

/** Precision that a threshold should give, and that without which a tag is off. */
const [wanted, tolerated] = [0.6, 0.4];

/**
 * The threshold of best F1 of those that are right for six in ten photos, else for four in ten; "off" where neither can be had.
 * Null with fewer than `least` positives.
 */
export function trustedThreshold(scores: readonly number[], truth: readonly boolean[], least: number): FittedThreshold | "off" | null {
  if (truth.filter(Boolean).length < least) return null;
  return preciseF1Threshold(scores, truth, least, wanted) ?? preciseF1Threshold(scores, truth, least, tolerated) ?? "off";
}

/**
 * The least score from which on as many are present as a tag should be right (`floor`), where of each a probability is known; null: none is.
 * For tags taken together, of each of which alone there are too few photos.
 */
export function probableThreshold(scores: readonly number[], probabilities: readonly number[], floor: number = wanted): number | null {
  const order = scores.map((score, i) => [score, probabilities[i]!] as const).sort((a, b) => b[0] - a[0]);
  let [sum, found] = [0, null as number | null];
  order.forEach(([score, probability], i) => {
    sum += probability;
    const next = order[i + 1]?.[0] ?? 0;
    if (score > next && sum >= floor * (i + 1)) found = limited((score + next) / 2);
  });
  return found;
}

/** The same for tags with a few labelled photos each: right for six in ten, else for four in ten; "off" where neither can be had. Null with fewer than `least` positives in all. */
export function pooledThreshold(scores: readonly number[], truth: readonly boolean[], least: number): number | "off" | null {
  if (truth.filter(Boolean).length < least) return null;
  const present = truth.map(Number);
  return probableThreshold(scores, present) ?? probableThreshold(scores, present, tolerated) ?? "off";
}

/** The score that only a share of the photos exceeds: for tags of which nothing is known, which nearly all photos lack. */
export function rareThreshold(scores: readonly number[], share: number): number {
  const order = [...scores].sort((a, b) => b - a);
  return limited(order[Math.floor(order.length * share)] ?? 0.5);
}
