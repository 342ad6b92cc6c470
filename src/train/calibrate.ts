/** Lowest and highest threshold that is ever chosen: beyond them a score that is written with four digits says nothing. */
const bounds = [0.002, 0.9998] as const;

const limited = (value: number): number => Math.min(Math.max(value, bounds[0]), bounds[1]);

/** A threshold with what it does on the photos that it was chosen by. */
export interface FittedThreshold {
  readonly threshold: number;
  readonly precision: number;
}

/** The threshold between scores at which F1 is best, of those whose precision is at least `floor`; null: none is, or fewer than `least` positives. */
export function bestF1Threshold(scores: readonly number[], truth: readonly boolean[], least: number, floor = 0): FittedThreshold | null {
  const total = truth.filter(Boolean).length;
  if (total < least) return null;
  const order = scores.map((score, i) => [score, truth[i]!] as const).sort((a, b) => b[0] - a[0]);
  let [hits, best, fitted] = [0, 0, null as FittedThreshold | null];
  order.forEach(([score, positive], i) => {
    if (positive) hits++;
    const next = order[i + 1]?.[0] ?? 0;
    const [f1, precision] = [(2 * hits) / (i + 1 + total), hits / (i + 1)];
    // One or two right ones say too little about a precision.
    if (floor > 0 && hits < leastHits) return;
    if (score > next && f1 > best && precision >= floor) [best, fitted] = [f1, { threshold: limited((score + next) / 2), precision }];
  });
  return fitted;
}

const leastHits = 3;

/** Precision that a threshold should give, and that without which a tag is off. */
const [wanted, tolerated] = [0.6, 0.4];

/**
 * The threshold of best F1 of those that are right for six in ten photos, else for four in ten; "off" where neither can be had.
 * Null with fewer than `least` positives.
 */
export function trustedThreshold(scores: readonly number[], truth: readonly boolean[], least: number): FittedThreshold | "off" | null {
  if (truth.filter(Boolean).length < least) return null;
  return bestF1Threshold(scores, truth, least, wanted) ?? bestF1Threshold(scores, truth, least, tolerated) ?? "off";
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
