/** Precision and recall of each tag, and their means. */
export interface PrecisionRecall {
  readonly precision: readonly number[];
  readonly recall: readonly number[];
  /** Means over all tags; a tag without positives counts with recall 0, as in the reference. */
  readonly meanPrecision: number;
  readonly meanRecall: number;
}

/** TP / (TP + FP + 1e-9) and TP / (TP + FN + 1e-9) for each column, as the reference computes them. */
export function precisionRecall(predicted: readonly (readonly boolean[])[], truth: readonly (readonly boolean[])[]): PrecisionRecall {
  const columns = truth[0]?.length ?? 0;
  const count = (column: number, test: (p: boolean, t: boolean) => boolean): number => truth.filter((row, i) => test(predicted[i]![column]!, row[column]!)).length;
  const each = Array.from({ length: columns }, (_, column) => {
    const hits = count(column, (p, t) => p && t);
    return { p: hits / (hits + count(column, (p, t) => p && !t) + 1e-9), r: hits / (hits + count(column, (p, t) => !p && t) + 1e-9) };
  });
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / columns;
  const [precision, recall] = [each.map((e) => e.p), each.map((e) => e.r)];
  return { precision, recall, meanPrecision: mean(precision), meanRecall: mean(recall) };
}
