import { rankedPrecision } from "./average-precision.js";
import { between, ratios, type AtThreshold, type Counts, type PrecisionRecallF1 } from "./precision-recall.js";
import { byFallingScore } from "./ranking.js";

/** A tag of a list with its scores of all photos, and which of them show it. */
export interface ScoredColumn {
  /** As the list has it; lists may have a name twice. */
  readonly name: string;
  /** null: the tag is never given. */
  readonly threshold: number | null;
  /** Score of each photo. */
  readonly scores: Float32Array;
  /** Indices of the photos that show it. */
  readonly shownBy: ArrayLike<number>;
}

/** How a tag did. */
export interface TagFigures extends PrecisionRecallF1 {
  readonly name: string;
  /** Photos that show it. */
  readonly positives: number;
  /** Average precision; 0 without positives. */
  readonly ap: number;
  /** At this threshold are precision, recall and F1: the score is greater, in float32, as in tagging. */
  readonly threshold: number | null;
  /** The same by the reference's evaluation: the score, widened to float64, is at least the threshold. */
  readonly reference: { readonly precision: number; readonly recall: number };
  /** The threshold of the best F1, the highest of several; null without positives. */
  readonly best: AtThreshold | null;
  /** Where precision and recall are equal, or as near as equal scores let them come: as many photos get the tag as have it; null without positives. */
  readonly breakEven: AtThreshold | null;
}

/** For each photo whether it is among those of a list. */
export function truthOf({ scores, shownBy }: Pick<ScoredColumn, "scores" | "shownBy">): Uint8Array {
  const truth = new Uint8Array(scores.length);
  for (let i = 0; i < shownBy.length; i++) truth[shownBy[i]!] = 1;
  return truth;
}

/** Decisions by the score being greater than the threshold in float32. */
export function countsAbove({ scores, shownBy }: ScoredColumn, threshold: number | null): Counts {
  if (threshold === null) return { hit: 0, found: 0, there: shownBy.length };
  const limit = Math.fround(threshold);
  return counted(scores, shownBy, (score) => score > limit);
}

/** Decisions as in the reference's evaluation: the float32 score is at least the decimal threshold. */
export function countsFrom({ scores, shownBy }: ScoredColumn, threshold: number | null): Counts {
  if (threshold === null) return { hit: 0, found: 0, there: shownBy.length };
  return counted(scores, shownBy, (score) => score >= threshold);
}

function counted(scores: Float32Array, shownBy: ArrayLike<number>, fires: (score: number) => boolean): Counts {
  let [hit, found] = [0, 0];
  for (let i = 0; i < scores.length; i++) if (fires(scores[i]!)) found++;
  for (let i = 0; i < shownBy.length; i++) if (fires(scores[shownBy[i]!]!)) hit++;
  return { hit, found, there: shownBy.length };
}

/** Figures of one tag. */
export function tagFigures(column: ScoredColumn): TagFigures {
  const { name, threshold, scores, shownBy } = column;
  const truth = truthOf(column);
  const order = byFallingScore(scores);
  const { precision, recall } = ratios(countsFrom(column, threshold));
  return {
    name,
    positives: shownBy.length,
    ap: rankedPrecision(order, truth),
    threshold,
    ...ratios(countsAbove(column, threshold)),
    reference: { precision, recall },
    ...bestThresholds(scores, truth, order, shownBy.length),
  };
}

/** Thresholds of the best F1 and of break-even, among those between neighbouring scores that differ. */
function bestThresholds(scores: Float32Array, truth: Uint8Array, order: Uint32Array, there: number): Pick<TagFigures, "best" | "breakEven"> {
  if (there === 0) return { best: null, breakEven: null };
  let hit = 0;
  let [best, even]: [Cut | null, Cut | null] = [null, null];
  order.forEach((i, rank) => {
    hit += truth[i]!;
    const [score, next] = [scores[i]!, rank + 1 < order.length ? scores[order[rank + 1]!]! : 0];
    if (!(score > next)) return;
    const cut = { hit, found: rank + 1, score, next };
    if (best === null || f1Of(cut, there) > f1Of(best, there)) best = cut;
    if (even === null || Math.abs(cut.found - there) < Math.abs(even.found - there)) even = cut;
  });
  const at = (cut: Cut | null): AtThreshold | null => cut && { threshold: between(cut.score, cut.next), ...ratios({ ...cut, there }) };
  return { best: at(best), breakEven: at(even) };
}

/** Between two ranks whose scores differ: what is found above. */
interface Cut {
  readonly hit: number;
  readonly found: number;
  readonly score: number;
  readonly next: number;
}

const f1Of = ({ hit, found }: Cut, there: number): number => (2 * hit) / (found + there);
