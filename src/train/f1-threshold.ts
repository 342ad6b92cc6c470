import { normal, seededRandom, type Random } from "../tensor/random.js";

/** Lowest and highest threshold that is ever chosen: beyond them a score that is written with four digits says nothing. */
const bounds = [0.002, 0.9998] as const;

export const limited = (value: number): number => Math.min(Math.max(value, bounds[0]), bounds[1]);

/** One or two right ones say too little about a precision. */
const leastHits = 3;

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

/** Photos drawn again so often. With a tenth of it, thresholds of tags with few photos still differ by the seed. */
const resamples = 1000;
const seed = 7;

const logit = (p: number): number => Math.log(p / (1 - p));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Scores between which a threshold may lie: how many photos with the tag and without lie above it, and below the cut before; its logit. */
interface Cut {
  readonly hits: number;
  readonly misses: number;
  readonly logit: number;
}

/**
 * The threshold of best F1 as photos like these would give it: the mean, in logits, of the best thresholds of 1,000 resamples (bagging: Breiman 1996, "Bagging
 * predictors"), each photo drawn a Poisson number of times (Hanley and MacGibbon 2006), then the lowest from there on whose precision on the photos
 * themselves is at least `floor`. A tag's best threshold by some twenty photos hangs on two or three of them. Null where `bestF1Threshold` is.
 */
export function baggedF1Threshold(scores: readonly number[], truth: readonly boolean[], least: number, floor = 0): FittedThreshold | null {
  const plain = bestF1Threshold(scores, truth, least, floor);
  if (plain === null) return null;
  const order = scores.map((score, i) => [score, truth[i]!] as const).sort((a, b) => b[0] - a[0]);
  const cuts = cutsOf(order);
  const random = seededRandom(seed, order.length);
  const found = Array.from({ length: resamples }, () => bestOfResample(cuts, floor, random)).filter((each) => each !== null);
  if (found.length === 0) return plain;
  return lowestFrom(sigmoid(found.reduce((a, b) => a + b) / found.length), order, floor) ?? plain;
}

/** Those below a photo with the tag: F1 is best at one of these, however often each photo is drawn. */
function cutsOf(order: readonly (readonly [score: number, shows: boolean])[]): Cut[] {
  const cuts: Cut[] = [];
  let [hits, misses] = [0, 0];
  order.forEach(([score, shows], i) => {
    if (shows) hits++;
    else misses++;
    const next = order[i + 1]?.[0] ?? 0;
    if (!(score > next) || hits === 0) return;
    cuts.push({ hits, misses, logit: (logit(limited(score)) + logit(limited(next))) / 2 });
    [hits, misses] = [0, 0];
  });
  return cuts;
}

/** The logit of the cut of best F1 when every photo is drawn a Poisson number of times; null: none is right often enough. */
function bestOfResample(cuts: readonly Cut[], floor: number, random: Random): number | null {
  const drawn = cuts.map(({ hits, misses }) => ({ hits: poisson(hits, random), misses: poisson(misses, random) }));
  const total = drawn.reduce((sum, each) => sum + each.hits, 0);
  let [hits, given, best, found] = [0, 0, 0, null as number | null];
  drawn.forEach((each, i) => {
    hits += each.hits;
    given += each.hits + each.misses;
    if (hits < (floor > 0 ? leastHits : 1) || hits < floor * given) return;
    const f1 = (2 * hits) / (given + total);
    if (f1 > best) [best, found] = [f1, cuts[i]!.logit];
  });
  return found;
}

/** The lowest threshold from `least` on that is right for a share `floor` of the photos. */
function lowestFrom(least: number, order: readonly (readonly [score: number, shows: boolean])[], floor: number): FittedThreshold | null {
  let [hits, found] = [0, null as FittedThreshold | null];
  for (const [i, [score, shows]] of order.entries()) {
    if (score <= least) break;
    if (shows) hits++;
    const next = order[i + 1]?.[0] ?? 0;
    const precision = hits / (i + 1);
    if (score > next && precision >= floor && hits >= (floor > 0 ? leastHits : 1)) found = { threshold: limited(next < least ? least : (score + next) / 2), precision };
  }
  return found;
}

/** A Poisson-distributed number (Knuth's multiplication); of a large mean a rounded normal one. */
function poisson(mean: number, random: Random): number {
  if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)));
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random(); product > limit; product *= random()) count++;
  return count;
}
