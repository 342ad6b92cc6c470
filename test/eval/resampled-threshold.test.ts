import assert from "node:assert/strict";
import { test } from "node:test";
import { resampledF1Threshold } from "../../src/eval/resampled-threshold.js";
import { normal, poisson, seededRandom } from "../../src/tensor/random.js";
import { bestF1Threshold } from "../../src/train/f1-threshold.js";

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;
const spread = (values: readonly number[]): number => {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((v) => (v - middle) ** 2)));
};

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

test("on other photos a threshold of many resamples has a better F1 than the one that was best on a few, and varies less", () => {
  const fresh = photos(0, 100_000, 0.02);
  const [plain, bagged] = [[] as number[], [] as number[]];
  for (let seed = 1; seed <= 40; seed++) {
    const few = photos(seed, 1000, 0.02);
    plain.push(bestF1Threshold(few.scores, few.truth, 5)!.threshold);
    bagged.push(resampledF1Threshold(few)!);
  }
  const [before, after] = [plain, bagged].map((thresholds) => mean(thresholds.map((threshold) => f1At(threshold, fresh))));
  assert.ok(after! > before! + 0.005, `${before} ${after}`);
  assert.ok(spread(bagged) < 0.8 * spread(plain), `${spread(plain)} ${spread(bagged)}`);
});

test("the order of photos changes nothing; where tag and others lie apart it is between them; without photos that show it there is none", () => {
  const few = photos(3, 200, 0.1);
  const turned = { scores: Float64Array.from(few.scores).reverse(), truth: Uint8Array.from(few.truth, Number).reverse() };
  assert.equal(resampledF1Threshold(turned), resampledF1Threshold(few));
  const apart = resampledF1Threshold({ scores: [0.9, 0.95, 0.92, 0.97, 0.1, 0.05, 0.2], truth: [1, 1, 1, 1, 0, 0, 0] })!;
  assert.ok(apart > 0.2 && apart < 0.9, String(apart));
  assert.equal(resampledF1Threshold({ scores: [0.5, 0.4], truth: [0, 0] }), null);
  // Float32 scores of 1 and 0 have no logits.
  const ends = resampledF1Threshold({ scores: Float32Array.of(1, 1, 1, 0, 0), truth: [1, 1, 1, 0, 0] })!;
  assert.ok(ends > 0 && ends < 1, String(ends));
});

test("with a floor of precision it is higher; where no resample reaches that there is none", () => {
  const mixed = photos(4, 1000, 0.05);
  const [low, high] = [resampledF1Threshold(mixed)!, resampledF1Threshold(mixed, { floor: 0.95 })!];
  assert.ok(high > low + 0.01, `${low} ${high}`);
  const below = { scores: [...new Float32Array(100).fill(0.9), 0.1], truth: [...new Uint8Array(100), 1] };
  assert.equal(resampledF1Threshold(below, { floor: 0.9 }), null);
});

test("Poisson numbers have their mean and variance, small and large", () => {
  for (const lambda of [0.5, 3, 29, 31, 400]) {
    const random = seededRandom(8, lambda * 10);
    const drawn = Array.from({ length: 20_000 }, () => poisson(lambda, random));
    assert.ok(drawn.every((value) => Number.isInteger(value) && value >= 0));
    assert.ok(Math.abs(mean(drawn) - lambda) < 4 * Math.sqrt(lambda / 20_000) + 0.01, `${lambda}: ${mean(drawn)}`);
    assert.ok(Math.abs(spread(drawn) ** 2 / lambda - 1) < 0.06, `${lambda}: ${spread(drawn) ** 2}`);
  }
});
