/** Sharpest threshold that is ever chosen, and the lowest: beyond them float32 scores say little. */
const bounds = [0.02, 0.98] as const;

const limited = (value: number): number => Math.min(Math.max(value, bounds[0]), bounds[1]);

/** The threshold between scores at which F1 is best; null with fewer than `least` positives. */
export function bestF1Threshold(scores: readonly number[], truth: readonly boolean[], least: number): number | null {
  const total = truth.filter(Boolean).length;
  if (total < least) return null;
  const order = scores.map((score, i) => [score, truth[i]!] as const).sort((a, b) => b[0] - a[0]);
  let [hits, best, threshold] = [0, 0, 0.5];
  order.forEach(([score, positive], i) => {
    if (positive) hits++;
    const next = order[i + 1]?.[0] ?? 0;
    const f1 = (2 * hits) / (i + 1 + total);
    if (score > next && f1 > best) [best, threshold] = [f1, (score + next) / 2];
  });
  return limited(threshold);
}

/** The score that only a share of the photos exceeds: for tags of which nothing is known, which nearly all photos lack. */
export function rareThreshold(scores: readonly number[], share: number): number {
  const order = [...scores].sort((a, b) => b - a);
  return limited(order[Math.floor(order.length * share)] ?? 0.5);
}
