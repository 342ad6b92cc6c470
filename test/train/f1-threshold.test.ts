import assert from "node:assert/strict";
import { test } from "node:test";
import { normal, seededRandom } from "../../src/tensor/random.js";
import { baggedF1Threshold, bestF1Threshold } from "../../src/train/f1-threshold.js";

const scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2];
const truthOf = (pattern: string): boolean[] => [...pattern].map((c) => c === "1");
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Photos of a tag: a share shows it, and these score higher, by a few widths. */
function photos(seed: number, count: number, share: number): { scores: number[]; truth: boolean[] } {
  const random = seededRandom(5, seed);
  const truth = Array.from({ length: count }, () => random() < share);
  return { truth, scores: truth.map((shows) => sigmoid(normal(random) + (shows ? 2 : -1))) };
}

function f1At(threshold: number, of: { scores: number[]; truth: boolean[] }): number {
  let [hits, given] = [0, 0];
  of.scores.forEach((score, i) => {
    if (!(score > threshold)) return;
    given++;
    if (of.truth[i]!) hits++;
  });
  return (2 * hits) / (given + of.truth.filter(Boolean).length);
}

test("best F1, and with a floor of precision the best above it", () => {
  const truth = truthOf("11100111");
  assert.deepEqual(bestF1Threshold(scores, truth, 5), { threshold: 0.1, precision: 6 / 8 });
  const sure = bestF1Threshold(scores, truth, 5, 0.9)!;
  assert.ok(Math.abs(sure.threshold - 0.65) < 1e-12 && sure.precision === 1);
  assert.equal(bestF1Threshold(scores, truth, 7), null, "too few positives");
});

test("on other photos a threshold of many resamples has a better F1 than the one that was best on a few, and varies less", () => {
  const fresh = photos(0, 100_000, 0.02);
  const [plain, bagged] = [[] as number[], [] as number[]];
  for (let seed = 1; seed <= 40; seed++) {
    const few = photos(seed, 1000, 0.02);
    plain.push(bestF1Threshold(few.scores, few.truth, 5)!.threshold);
    bagged.push(baggedF1Threshold(few.scores, few.truth, 5)!.threshold);
  }
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;
  const spread = (values: readonly number[]): number => Math.sqrt(mean(values.map((v) => (v - mean(values)) ** 2)));
  const [before, after] = [plain, bagged].map((thresholds) => mean(thresholds.map((threshold) => f1At(threshold, fresh))));
  assert.ok(after! > before! + 0.005, `${before} ${after}`);
  assert.ok(spread(bagged) < 0.8 * spread(plain), `${spread(plain)} ${spread(bagged)}`);
});

test("its precision on the photos themselves is no less than asked; the same photos give the same threshold", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { scores: own, truth } = photos(seed, 300, 0.05);
    for (const floor of [0.4, 0.6, 0.9]) {
      const fitted = baggedF1Threshold(own, truth, 5, floor);
      assert.equal(fitted === null, bestF1Threshold(own, truth, 5, floor) === null);
      if (fitted === null) continue;
      const given = own.flatMap((score, i) => (score > fitted.threshold ? [truth[i]!] : []));
      const precision = given.filter(Boolean).length / given.length;
      assert.ok(precision >= floor && given.filter(Boolean).length >= 3, `${seed}: ${precision} of ${given.length}`);
      assert.equal(fitted.precision, precision);
      assert.deepEqual(baggedF1Threshold([...own].reverse(), [...truth].reverse(), 5, floor), fitted);
    }
  }
});

test("where tag and others lie apart it is between them; without enough photos there is none", () => {
  const fitted = baggedF1Threshold([0.9, 0.95, 0.92, 0.97, 0.1, 0.05, 0.2], truthOf("1111000"), 4)!;
  assert.ok(fitted.threshold > 0.2 && fitted.threshold < 0.9 && fitted.precision === 1, String(fitted.threshold));
  assert.equal(baggedF1Threshold(scores, truthOf("11000000"), 3), null);
  assert.equal(baggedF1Threshold(scores, truthOf("00000111"), 3, 0.6), null, "none is right often enough");
});
