import type { ThresholdPoint } from "../bundle/calibration.js";
import { between } from "./precision-recall.js";
import { byFallingScore } from "./ranking.js";

/** What a threshold is fitted for: the best F1, or the most recall at a precision, or the most precision at a recall. */
export type ThresholdTarget = { readonly kind: "f1" } | LevelTarget;

/** A precision or a recall that is to be reached. */
export interface LevelTarget {
  readonly kind: "precision" | "recall";
  readonly value: number;
}

/** In words: "f1", "precision=0.8". */
export const targetText = (target: ThresholdTarget): string => (target.kind === "f1" ? "f1" : `${target.kind}=${target.value}`);

/** Right tags that a threshold must give before a precision is believed. */
export const leastHits = 3;

/** Scores of photos and whether each shows the tag. */
export interface TruthedScores {
  readonly scores: Float32Array;
  readonly truth: Uint8Array;
}

/** Every threshold between scores that differ, highest first, with what it does; those above too few right tags left out. */
export function allThresholds({ scores, truth }: TruthedScores): ThresholdPoint[] {
  const there = truth.reduce((sum, v) => sum + v, 0);
  const points: ThresholdPoint[] = [];
  let hit = 0;
  const order = byFallingScore(scores);
  order.forEach((i, rank) => {
    hit += truth[i]!;
    const next = rank + 1 < order.length ? scores[order[rank + 1]!]! : 0;
    if (!(scores[i]! > next) || hit < Math.min(leastHits, there)) return;
    points.push({ threshold: between(scores[i]!, next), precision: hit / (rank + 1), recall: hit / there });
  });
  return points;
}

/** What can be had: of the thresholds those than which no lower one is as precise. By falling threshold and falling precision, at most `most` of them. */
export function frontier(points: readonly ThresholdPoint[], most = 32): ThresholdPoint[] {
  const kept: ThresholdPoint[] = [];
  for (const point of [...points].reverse()) if (kept.length === 0 || point.precision > kept.at(-1)!.precision) kept.push(point);
  kept.reverse();
  if (kept.length <= most) return kept;
  // Ends included, spread over the list.
  return Array.from({ length: most }, (_, i) => kept[Math.round((i * (kept.length - 1)) / (most - 1))]!);
}

/** Of the thresholds that reach a level the one that has most of the other, the highest of several; null: none reaches it. For the best F1: `resampledF1Threshold`. */
export function fitThreshold(points: readonly ThresholdPoint[], { kind, value }: LevelTarget): number | null {
  const other = kind === "precision" ? "recall" : "precision";
  const reached = points.filter((point) => point[kind] >= value);
  return reached.reduce<ThresholdPoint | null>((best, point) => (best === null || point[other] > best[other] ? point : best), null)?.threshold ?? null;
}
