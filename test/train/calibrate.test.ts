import assert from "node:assert/strict";
import { test } from "node:test";
import { normal, seededRandom } from "../../src/tensor/random.js";
import { carriedThreshold } from "../../src/train/carried-threshold.js";
import { pooledThreshold, rareThreshold, trustedThreshold, probableThreshold } from "../../src/train/calibrate.js";

const scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2];
const truthOf = (pattern: string): boolean[] => [...pattern].map((c) => c === "1");

test("a trusted threshold is right six times in ten, else four, else the tag is off", () => {
  // Resamples without the fourth right one, of four, put it above that.
  assert.equal((trustedThreshold(scores, truthOf("11011000"), 3) as { precision: number }).precision, 3 / 4);
  // Half are right at best: more than four in ten.
  const many = [...scores, ...scores.map((s) => s / 10)];
  const half = trustedThreshold(many, truthOf("0010101010000000"), 3) as { threshold: number; precision: number };
  assert.ok(half.precision >= 0.4 && half.precision < 0.6, String(half.precision));
  assert.equal(trustedThreshold(many, truthOf("0000000000000111"), 3), "off");
  assert.equal(trustedThreshold(scores, truthOf("11000000"), 3), null);
  // A single right one on top is no precision of 1.
  assert.equal(trustedThreshold(many, truthOf("1000000000000011"), 3), "off");
});

test("a rare threshold lets a share of the photos through, within bounds", () => {
  assert.equal(rareThreshold(scores, 0.25), 0.7);
  assert.equal(rareThreshold([0.0001, 0.0001], 0.5), 0.002);
});

test("where only probabilities are known, the least score from which six in ten are expected to be right", () => {
  assert.equal(probableThreshold([0.9, 0.75, 0.5, 0.25, 0.125], [0.9, 0.5, 0.7, 0.1, 0.1]), 0.375);
  assert.equal(probableThreshold([0.9, 0.9, 0.2], [1, 0, 0.1]), null);
  assert.equal(probableThreshold([], []), null);
});

test("tags taken together are right six times in ten, else four, else off; hardly any positives say nothing", () => {
  const close = (value: number | "off" | null, expected: number): void => assert.ok(typeof value === "number" && Math.abs(value - expected) < 1e-12, String(value));
  // Three of five are right down to 0.5; two of five in the second.
  close(pooledThreshold(scores, truthOf("10101000"), 3), 0.45);
  close(pooledThreshold(scores, truthOf("00110000"), 2), 0.45);
  assert.equal(pooledThreshold([...scores, ...scores.map((s) => s / 10)], truthOf("0000000000000111"), 3), "off");
  assert.equal(pooledThreshold(scores, truthOf("11000000"), 3), null);
});

test("a threshold goes where the logits went, and fires as often where their order has changed", () => {
  const random = seededRandom(4, 1);
  const before = Array.from({ length: 2000 }, () => normal(random));
  const threshold = 1 / (1 + Math.exp(-2));
  const logit = (p: number): number => Math.log(p / (1 - p));
  assert.ok(Math.abs(logit(carriedThreshold(threshold, before, before.map((v) => 2 * v + 1))) - 5) < 1e-6);
  // Scores of other photos: a line of least squares would be flat, and end at 3.
  const after = Array.from({ length: 2000 }, () => 3 + normal(random));
  const moved = logit(carriedThreshold(threshold, before, after));
  assert.ok(Math.abs(moved - 5) < 0.1, String(moved));
  assert.equal(carriedThreshold(threshold, [1, 1], [0, 0]).toFixed(6), (1 / (1 + Math.exp(-1))).toFixed(6), "all photos alike");
});
