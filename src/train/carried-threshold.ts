/**
 * Where a tag's threshold has gone when the scores of all photos have moved: the line of least squares from its logits before to
 * those after, at the threshold's. A tag without labels then fires as often as it did.
 */
export function carriedThreshold(threshold: number, before: readonly number[], after: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  const [x, y] = [mean(before), mean(after)];
  const spread = before.reduce((sum, v) => sum + (v - x) ** 2, 0);
  const slope = spread > 0 ? before.reduce((sum, v, i) => sum + (v - x) * (after[i]! - y), 0) / spread : 1;
  const p = Math.min(Math.max(threshold, 1e-4), 1 - 1e-4);
  const moved = 1 / (1 + Math.exp(-(y + Math.max(slope, 0) * (Math.log(p / (1 - p)) - x))));
  return Math.min(Math.max(moved, 0.02), 0.9999);
}
