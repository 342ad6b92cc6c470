import { resampledF1Threshold } from "../eval/resampled-threshold.js";
import { leastHits } from "../eval/threshold-target.js";

/** Lowest and highest threshold that is ever chosen: beyond them a score that is written with four digits says nothing. */
const bounds = [0.002, 0.9998] as const;

export const limited = (value: number): number => Math.min(Math.max(value, bounds[0]), bounds[1]);

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
    if (floor > 0 && hits < leastHits) return;
    if (score > next && f1 > best && precision >= floor) [best, fitted] = [f1, { threshold: limited((score + next) / 2), precision }];
  });
  return fitted;
}

/**
 * The threshold of best F1 as photos like these would give it (`resampledF1Threshold`), or the lowest above it whose precision on the photos themselves is at
 * least `floor`. Null where `bestF1Threshold` is.
 */
export function preciseF1Threshold(scores: readonly number[], truth: readonly boolean[], least: number, floor = 0): FittedThreshold | null {
  const plain = bestF1Threshold(scores, truth, least, floor);
  const resampled = plain === null ? null : resampledF1Threshold({ scores, truth }, { floor, bounds });
  return resampled === null ? plain : (lowestFrom(resampled, scores, truth, floor) ?? plain);
}

/** The lowest threshold from `lowest` on that is right for a share `floor` of the photos. */
function lowestFrom(lowest: number, scores: readonly number[], truth: readonly boolean[], floor: number): FittedThreshold | null {
  const order = scores.map((score, i) => [score, truth[i]!] as const).sort((a, b) => b[0] - a[0]);
  let [hits, found] = [0, null as FittedThreshold | null];
  for (const [i, [score, shows]] of order.entries()) {
    if (score <= lowest) break;
    if (shows) hits++;
    const next = order[i + 1]?.[0] ?? 0;
    const precision = hits / (i + 1);
    if (score > next && precision >= floor && (floor === 0 || hits >= leastHits)) found = { threshold: limited(next < lowest ? lowest : (score + next) / 2), precision };
  }
  return found;
}
