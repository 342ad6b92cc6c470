/**
 * Where a tag's threshold has gone when the scores of all photos have moved: as many deviations from the mean of its logits after as it was from that
 * of those before. A tag without labels then fires about as often as it did, whether or not on the same photos; a line of least squares is flat where
 * the photos' order has changed, and would have it fire on many.
 */
export function carriedThreshold(threshold: number, before: readonly number[], after: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  const [x, y] = [mean(before), mean(after)];
  const spread = (values: readonly number[], middle: number): number => values.reduce((sum, v) => sum + (v - middle) ** 2, 0);
  const slope = spread(before, x) > 0 ? Math.sqrt(spread(after, y) / spread(before, x)) : 1;
  const p = Math.min(Math.max(threshold, 1e-4), 1 - 1e-4);
  const moved = 1 / (1 + Math.exp(-(y + slope * (Math.log(p / (1 - p)) - x))));
  return Math.min(Math.max(moved, 0.02), 0.9999);
}
