import { ratios, type AtThreshold } from "./precision-recall.js";
import type { ScoredColumn } from "./tag-figures.js";

/** One threshold for all tags: what it does to all decisions on all photos. */
export interface PooledCurve {
  /** Precision against recall, some 200 points by falling threshold. */
  readonly curve: readonly AtThreshold[];
  /** The threshold of the best F1; null where no photo shows a tag. */
  readonly best: AtThreshold | null;
  /** The threshold where precision and recall are equal: as many tags are given as there are; null where no photo shows a tag. */
  readonly breakEven: AtThreshold | null;
}

/**
 * Scores are counted by the upper bits of their float32, so that memory does not grow with photos and tags: 260,000 bins from
 * 0 to 1, a two-thousandth of a score wide or less. A bin's lower edge is a threshold like any other, so what is said of it is exact.
 */
const lowBits = 12;
const one = 0x3f800000;

const word = new Uint32Array(1);
const real = new Float32Array(word.buffer);

/** Bits of a score from 0 to 1, in the order of scores. */
function bitsOf(score: number): number {
  // What is out of range, -0 and no number among it, counts as the nearest end.
  real[0] = score > 0 ? Math.min(score, 1) : 0;
  return word[0]!;
}

/** The number just below the one of these bits: what is greater than it begins with those. */
function below(bits: number): number {
  word[0] = bits - 1;
  return real[0]!;
}

interface Histogram {
  readonly found: Uint32Array;
  readonly hit: Uint32Array;
}

/** Counts the scores of all columns, and those of photos that show the tag, by a bin of their bits; null: not counted. */
function count(columns: readonly ScoredColumn[], bins: number, binOf: (bits: number) => number | null): Histogram {
  const histogram = { found: new Uint32Array(bins), hit: new Uint32Array(bins) };
  const add = (counts: Uint32Array, score: number): void => {
    const bin = binOf(bitsOf(score));
    if (bin !== null) counts[bin]!++;
  };
  for (const { scores, shownBy } of columns) {
    for (let i = 0; i < scores.length; i++) add(histogram.found, scores[i]!);
    for (let i = 0; i < shownBy.length; i++) add(histogram.hit, scores[shownBy[i]!]!);
  }
  return histogram;
}

/** The curve over all decisions on all tags. */
export function pooledCurve(columns: readonly ScoredColumn[], points = 200): PooledCurve {
  const there = columns.reduce((sum, { shownBy }) => sum + shownBy.length, 0);
  if (there === 0) return { curve: [], best: null, breakEven: null };
  const bins = (one >>> lowBits) + 1;
  const { found, hit } = count(columns, bins, (bits) => bits >>> lowBits);
  const curve: AtThreshold[] = [];
  let [best, crossing]: [AtThreshold | null, { bin: number; found: number; hit: number } | null] = [null, null];
  const sum = { hit: 0, found: 0 };
  // Below the lowest bin there is no threshold.
  for (let bin = bins - 1; bin > 0; bin--) {
    if (found[bin] === 0) continue;
    if (crossing === null && sum.found + found[bin]! >= there) crossing = { bin, ...sum };
    sum.found += found[bin]!;
    sum.hit += hit[bin]!;
    const at = { threshold: below(bin << lowBits), ...ratios({ ...sum, there }) };
    if (best === null || at.f1 > best.f1) best = at;
    if (curve.length === 0 || at.recall - curve.at(-1)!.recall >= 1 / points) curve.push(at);
  }
  return { curve, best, breakEven: crossing && breakEvenIn(columns, crossing, there) };
}

/** The threshold within a bin at which the number of tags given is nearest to that of tags there. */
function breakEvenIn(columns: readonly ScoredColumn[], { bin, ...above }: { readonly bin: number; readonly found: number; readonly hit: number }, there: number): AtThreshold {
  const { found, hit } = count(columns, 1 << lowBits, (bits) => (bits >>> lowBits === bin ? bits & ((1 << lowBits) - 1) : null));
  const sum = { ...above };
  let [nearest, threshold] = [{ ...sum }, below((bin + 1) << lowBits)];
  for (let low = found.length - 1; low >= 0; low--) {
    if (found[low] === 0) continue;
    sum.found += found[low]!;
    sum.hit += hit[low]!;
    // Without anything found there is no precision.
    if (nearest.found > 0 && Math.abs(sum.found - there) >= Math.abs(nearest.found - there)) continue;
    [nearest, threshold] = [{ ...sum }, below((bin << lowBits) | low)];
  }
  return { threshold, ...ratios({ ...nearest, there }) };
}
