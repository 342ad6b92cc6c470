import { poisson, seededRandom, type Random } from "../tensor/random.js";
import { byFallingScore } from "./ranking.js";
import { leastHits } from "./threshold-target.js";

/** Photos drawn again so often. With a tenth of it, thresholds of tags with few photos still differ by the seed. */
const mostResamples = 1000;
/** Drawn counts in all, beyond which there are fewer resamples: a tag that thousands of photos show needs hardly any. */
const mostDraws = 2_500_000;
const seed = 7;

const logit = (p: number): number => Math.log(p / (1 - p));

export interface ResampleOptions {
  /** Precision that a resample's threshold must have. @default 0 */
  readonly floor?: number;
  /** Scores beyond these count as these: the logit of 1 is infinite. @default 0.0001 and 0.999999 */
  readonly bounds?: readonly [lowest: number, highest: number];
}

/** Scores between which a threshold may lie: how many photos with the tag and without lie above it, and below the cut before; its logit. */
interface Cut {
  readonly hits: number;
  readonly misses: number;
  readonly logit: number;
}

/**
 * The threshold of best F1 as photos like these would give it: the mean, in logits, of the best thresholds of up to 1,000 resamples (bagging: Breiman 1996,
 * "Bagging predictors"), each photo drawn a Poisson number of times (Hanley and MacGibbon 2006). A tag's best threshold by some twenty photos
 * hangs on two or three of them. The same photos in any order give the same. Null where none shows the tag, or no resample reaches the floor.
 */
export function resampledF1Threshold({ scores, truth }: { readonly scores: ArrayLike<number>; readonly truth: ArrayLike<number | boolean> }, { floor = 0, bounds = [1e-4, 1 - 1e-6] }: ResampleOptions = {}): number | null {
  const cuts: Cut[] = [];
  const bounded = (score: number): number => Math.min(Math.max(score, bounds[0]), bounds[1]);
  const order = byFallingScore(scores);
  let [hits, misses] = [0, 0];
  order.forEach((photo, rank) => {
    if (truth[photo]) hits++;
    else misses++;
    const [score, next] = [scores[photo]!, rank + 1 < order.length ? scores[order[rank + 1]!]! : 0];
    // F1 is best at a cut just below a photo with the tag, however often each photo is drawn.
    if (!(score > next) || hits === 0) return;
    cuts.push({ hits, misses, logit: (logit(bounded(score)) + logit(bounded(next))) / 2 });
    [hits, misses] = [0, 0];
  });
  const random = seededRandom(seed, order.length);
  const resamples = Math.min(mostResamples, Math.ceil(mostDraws / (cuts.length + 1)));
  let [sum, found] = [0, 0];
  for (let i = 0; i < resamples; i++) {
    const best = bestOfResample(cuts, floor, random);
    if (best === null) continue;
    sum += best;
    found++;
  }
  return found === 0 ? null : 1 / (1 + Math.exp(-sum / found));
}

/** The logit of the cut of best F1 when every photo is drawn a Poisson number of times; null: none is right often enough. */
function bestOfResample(cuts: readonly Cut[], floor: number, random: Random): number | null {
  const [hits, misses] = [new Uint32Array(cuts.length), new Uint32Array(cuts.length)];
  cuts.forEach((cut, i) => {
    hits[i] = poisson(cut.hits, random);
    misses[i] = poisson(cut.misses, random);
  });
  const total = hits.reduce((sum, each) => sum + each, 0);
  let [right, given, best, found] = [0, 0, 0, null as number | null];
  cuts.forEach(({ logit }, i) => {
    right += hits[i]!;
    given += hits[i]! + misses[i]!;
    if (right < (floor > 0 ? leastHits : 1) || right < floor * given) return;
    const f1 = (2 * right) / (given + total);
    if (f1 > best) [best, found] = [f1, logit];
  });
  return found;
}
