import type { ProbabilityKnot } from "../bundle/calibration.js";
import type { TruthedScores } from "./threshold-target.js";

/**
 * Isotonic regression by pool-adjacent-violators (Ayer et al. 1955; as a map of scores to probabilities Zadrozny & Elkan 2002):
 * of all maps that never fall the one of least squares. Given as the middle of each level and its value, for lines between;
 * at most `most` knots.
 */
export function isotonicMap({ scores, truth }: TruthedScores, most = 24): ProbabilityKnot[] {
  const order = Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
  const levels: { sum: number; count: number; scores: number }[] = [];
  order.forEach((i, rank) => {
    const equal = rank > 0 && scores[order[rank - 1]!] === scores[i];
    if (equal) {
      const last = levels.at(-1)!;
      last.sum += truth[i]!;
      last.count++;
      last.scores += scores[i]!;
    } else levels.push({ sum: truth[i]!, count: 1, scores: scores[i]! });
    // The next score may still belong to this level.
    if (rank + 1 < order.length && scores[order[rank + 1]!] === scores[i]) return;
    while (levels.length > 1 && levels.at(-2)!.sum / levels.at(-2)!.count >= levels.at(-1)!.sum / levels.at(-1)!.count) {
      const last = levels.pop()!;
      const before = levels.at(-1)!;
      before.sum += last.sum;
      before.count += last.count;
      before.scores += last.scores;
    }
  });
  const knots = levels.map(({ sum, count, scores: total }) => ({ score: total / count, probability: sum / count }));
  if (knots.length <= most) return knots;
  return Array.from({ length: most }, (_, i) => knots[Math.round((i * (knots.length - 1)) / (most - 1))]!);
}
