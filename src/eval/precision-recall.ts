/** Decisions counted: right ones, those made, and those that were to be made. */
export interface Counts {
  /** Photos that have the tag and got it. */
  readonly hit: number;
  /** Photos that got it. */
  readonly found: number;
  /** Photos that have it. */
  readonly there: number;
}

export interface PrecisionRecallF1 {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** Precision, recall and F1 at a threshold: photos whose score is greater get the tag. */
export interface AtThreshold extends PrecisionRecallF1 {
  readonly threshold: number;
}

/** TP / (TP + FP + 1e-9), TP / (TP + FN + 1e-9), as the reference computes them, and their F1. */
export function ratios({ hit, found, there }: Counts): PrecisionRecallF1 {
  return { precision: hit / (found + 1e-9), recall: hit / (there + 1e-9), f1: (2 * hit) / (found + there + 1e-9) };
}

/**
 * A threshold between two neighbouring scores that the higher exceeds and the lower does not, in float32: their middle, or where
 * there is no number between them the lower.
 */
export function between(higher: number, lower: number): number {
  const middle = Math.fround((higher + lower) / 2);
  return middle < higher && middle >= lower ? middle : lower;
}
