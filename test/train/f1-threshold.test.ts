import assert from "node:assert/strict";
import { test } from "node:test";
import { normal, seededRandom } from "../../src/tensor/random.js";
import { preciseF1Threshold, bestF1Threshold } from "../../src/train/f1-threshold.js";

const scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2];
const truthOf = (pattern: string): boolean[] => [...pattern].map((c) => c === "1");
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Photos of a tag: a share shows it, and these score higher, by a few widths. */
function photos(seed: number, count: number, share: number): { scores: number[]; truth: boolean[] } {
  const random = seededRandom(5, seed);
  const truth = Array.from({ length: count }, () => random() < share);
  return { truth, scores: truth.map((shows) => sigmoid(normal(random) + (shows ? 2 : -1))) };
}

test("best F1, and with a floor of precision the best above it", () => {
  const truth = truthOf("11100111");
  assert.deepEqual(bestF1Threshold(scores, truth, 5), { threshold: 0.1, precision: 6 / 8 });
  const sure = bestF1Threshold(scores, truth, 5, 0.9)!;
  assert.ok(Math.abs(sure.threshold - 0.65) < 1e-12 && sure.precision === 1);
  assert.equal(bestF1Threshold(scores, truth, 7), null, "too few positives");
});

test("its precision on the photos themselves is no less than asked; the same photos give the same threshold", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { scores: own, truth } = photos(seed, 300, 0.05);
    for (const floor of [0.4, 0.6, 0.9]) {
      const fitted = preciseF1Threshold(own, truth, 5, floor);
      assert.equal(fitted === null, bestF1Threshold(own, truth, 5, floor) === null);
      if (fitted === null) continue;
      const given = own.flatMap((score, i) => (score > fitted.threshold ? [truth[i]!] : []));
      const precision = given.filter(Boolean).length / given.length;
      assert.ok(precision >= floor && given.filter(Boolean).length >= 3, `${seed}: ${precision} of ${given.length}`);
      assert.equal(fitted.precision, precision);
      assert.deepEqual(preciseF1Threshold([...own].reverse(), [...truth].reverse(), 5, floor), fitted);
    }
  }
});

test("where tag and others lie apart it is between them; without enough photos there is none", () => {
  const fitted = preciseF1Threshold([0.9, 0.95, 0.92, 0.97, 0.1, 0.05, 0.2], truthOf("1111000"), 4)!;
  assert.ok(fitted.threshold > 0.2 && fitted.threshold < 0.9 && fitted.precision === 1, String(fitted.threshold));
  assert.equal(preciseF1Threshold(scores, truthOf("11000000"), 3), null);
  assert.equal(preciseF1Threshold(scores, truthOf("00000111"), 3, 0.6), null, "none is right often enough");
});
