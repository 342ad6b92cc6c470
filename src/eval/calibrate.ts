import { createHash } from "node:crypto";
import { probabilityOfScore, type TagCalibration } from "../bundle/calibration.js";
import { EvalError } from "./eval-error.js";
import { mean } from "./evaluate-scores.js";
import { isotonicMap } from "./isotonic.js";
import { ratios, type Counts, type PrecisionRecallF1 } from "./precision-recall.js";
import { resampledF1Threshold } from "./resampled-threshold.js";
import { allThresholds, fitThreshold, frontier, type ThresholdTarget, type TruthedScores } from "./threshold-target.js";

export interface CalibrateOptions {
  /** @default the best F1 */
  readonly target?: ThresholdTarget;
  /** Fit a map from scores to probabilities too. @default false */
  readonly probabilities?: boolean;
  /** Photos that show a tag, and that do not, below which it keeps its threshold. @default 10 */
  readonly least?: number;
  /** Parts for the cross-validation. @default 5 */
  readonly folds?: number;
}

/** Scores of a tag on the photos for which its truth is known. */
export interface CalibrationTag extends TruthedScores {
  readonly en: string;
  readonly bank?: string;
  readonly threshold: number | null;
  /** Names of the photos, in the order of the scores. */
  readonly photos: readonly string[];
}

/** Figures on photos that took no part in the fitting, before and after. */
export interface BeforeAfter {
  readonly before: PrecisionRecallF1;
  readonly after: PrecisionRecallF1;
}

/** What became of a tag. */
export interface CalibratedTag extends BeforeAfter {
  readonly en: string;
  readonly positives: number;
  readonly negatives: number;
  /** Its threshold before, and what is kept for it. */
  readonly old: number | null;
  readonly threshold: number | null;
  /** "fitted"; why it kept the old one: "few" examples, "no better" on photos left out, target "not reached". */
  readonly outcome: "fitted" | "few" | "no better" | "not reached";
}

export interface CalibrationReport {
  /** Over all decisions on all tags, those that kept their thresholds included. */
  readonly overall: BeforeAfter;
  /** Mean F1 of the tags that a photo shows. */
  readonly meanF1: { readonly before: number; readonly after: number };
  readonly tags: readonly CalibratedTag[];
  readonly folds: number;
  /** Mean squared difference of probabilities and truths on photos left out (Brier 1950): of the scores as they are, and of the fitted map. */
  readonly brier?: { readonly before: number; readonly after: number };
}

export interface FittedCalibration {
  readonly tags: readonly TagCalibration[];
  readonly report: CalibrationReport;
}

const leastForProbabilities = 10;

/** The part of a photo, by its name alone: neither order nor the other photos have a say. */
function foldOf(photo: string, folds: number): number {
  return createHash("sha256").update(photo).digest().readUInt32LE(0) % folds;
}

/**
 * Fits thresholds, and where asked for probabilities, to scores of labelled photos. Every figure of the report comes from photos
 * that were left out of the fitting that they judge. A threshold for F1 that is no better there than the old one is not taken.
 * Throws an EvalError (bad-option).
 */
export function calibrate(tags: readonly CalibrationTag[], options: CalibrateOptions = {}): FittedCalibration {
  const { target = { kind: "f1" }, probabilities = false, least = 10, folds = 5 } = options;
  if (!(Number.isInteger(folds) && folds >= 2 && folds <= 100)) throw new EvalError("bad-option", `folds ${folds}: expected a whole number from 2 to 100`);
  if (!(Number.isInteger(least) && least >= 1)) throw new EvalError("bad-option", `least ${least}: expected a whole number above 0`);
  if (target.kind !== "f1" && !(target.value > 0 && target.value <= 1)) throw new EvalError("bad-option", `${target.kind} ${target.value}: expected a number above 0, at most 1`);
  const partOf = new Map<string, number>();
  for (const { photos } of tags) for (const photo of photos) if (!partOf.has(photo)) partOf.set(photo, foldOf(photo, folds));
  const total = { before: none(), after: none() };
  const brier = { before: 0, after: 0, count: 0 };
  const reports: CalibratedTag[] = [];
  const calibrations = tags.map((tag): TagCalibration => {
    const positives = tag.truth.reduce((sum, v) => sum + v, 0);
    const negatives = tag.truth.length - positives;
    const enough = positives >= least && negatives >= least;
    const fold = tag.photos.map((photo) => partOf.get(photo)!);
    const held = crossValidate(tag, fold, folds, target, least);
    const points = enough ? frontier(allThresholds(tag)) : [];
    const best = !enough ? null : target.kind === "f1" ? resampledF1Threshold(tag) : fitThreshold(points, target);
    const [before, after] = [ratios(held.before), ratios(held.after)];
    const outcome = !enough ? "few" : best === null ? "not reached" : target.kind === "f1" && !(after.f1 > before.f1) ? "no better" : "fitted";
    const taken = outcome === "fitted";
    add(total.before, held.before);
    add(total.after, taken ? held.after : held.before);
    reports.push({ en: tag.en, positives, negatives, old: tag.threshold, threshold: taken ? best : tag.threshold, outcome, before, after: taken ? after : before });
    const mapped = probabilities && positives >= leastForProbabilities && negatives >= leastForProbabilities;
    if (mapped) {
      const errors = heldOutBrier(tag, fold, folds);
      brier.before += errors.before;
      brier.after += errors.after;
      brier.count += tag.truth.length;
    }
    return {
      en: tag.en,
      ...(tag.bank !== undefined && { bank: tag.bank }),
      positives,
      negatives,
      ...(taken && { threshold: rounded(best!) }),
      points: points.map((point) => ({ threshold: rounded(point.threshold), precision: rounded(point.precision), recall: rounded(point.recall) })),
      ...(mapped && { probabilities: isotonicMap(tag).map(({ score, probability }) => ({ score: rounded(score), probability: rounded(probability) })) }),
    };
  });
  const overall = { before: ratios(total.before), after: ratios(total.after) };
  const shown = reports.filter(({ positives }) => positives > 0);
  const meanF1 = { before: mean(shown.map(({ before }) => before.f1)), after: mean(shown.map(({ after }) => after.f1)) };
  return { tags: calibrations, report: { overall, meanF1, tags: reports, folds, ...(brier.count > 0 && { brier: { before: brier.before / brier.count, after: brier.after / brier.count } }) } };
}

/** Seven digits are what a float32 has. */
const rounded = (value: number): number => Number(value.toPrecision(7));

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
const none = (): Mutable<Counts> => ({ hit: 0, found: 0, there: 0 });

function add(sum: Mutable<Counts>, { hit, found, there }: Counts): void {
  sum.hit += hit;
  sum.found += found;
  sum.there += there;
}

/** The photos of a tag in a part, or in all others. */
function split({ scores, truth }: TruthedScores, fold: readonly number[], part: number): { inside: TruthedScores; outside: TruthedScores } {
  const take = (keep: (i: number) => boolean): TruthedScores => ({ scores: scores.filter((_, i) => keep(i)), truth: truth.filter((_, i) => keep(i)) });
  return { inside: take((i) => fold[i] === part), outside: take((i) => fold[i] !== part) };
}

/** Decisions on each part by the old threshold, and by the one that the other parts give. */
function crossValidate(tag: CalibrationTag, fold: readonly number[], folds: number, target: ThresholdTarget, least: number): { before: Counts; after: Counts } {
  const sums = { before: none(), after: none() };
  for (let part = 0; part < folds; part++) {
    const { inside, outside } = split(tag, fold, part);
    const positives = outside.truth.reduce((sum, v) => sum + v, 0);
    // A part may hold most of the examples: what is left is judged as few examples are.
    const enough = positives >= Math.max(1, least - Math.ceil(least / folds)) && positives < outside.truth.length;
    const fitted = enough ? ((target.kind === "f1" ? resampledF1Threshold(outside) : fitThreshold(allThresholds(outside), target)) ?? tag.threshold) : tag.threshold;
    add(sums.before, decisions(inside, tag.threshold));
    add(sums.after, decisions(inside, fitted));
  }
  return sums;
}

function decisions({ scores, truth }: TruthedScores, threshold: number | null): Counts {
  const limit = threshold === null ? Infinity : Math.fround(threshold);
  const counts = none();
  scores.forEach((score, i) => {
    counts.there += truth[i]!;
    if (!(score > limit)) return;
    counts.found++;
    counts.hit += truth[i]!;
  });
  return counts;
}

/** Sums of squared differences on each part, of the scores and of the map that the other parts give. */
function heldOutBrier(tag: CalibrationTag, fold: readonly number[], folds: number): { before: number; after: number } {
  let [before, after] = [0, 0];
  for (let part = 0; part < folds; part++) {
    const { inside, outside } = split(tag, fold, part);
    if (outside.scores.length === 0) continue;
    const map = { en: tag.en, positives: 0, negatives: 0, points: [], probabilities: isotonicMap(outside) };
    inside.scores.forEach((score, i) => {
      before += (score - inside.truth[i]!) ** 2;
      after += (probabilityOfScore(map, score)! - inside.truth[i]!) ** 2;
    });
  }
  return { before, after };
}
