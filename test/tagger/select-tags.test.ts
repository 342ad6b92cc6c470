import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSelectOptions, probability, selectTags } from "../../src/tagger/select-tags.js";
import { tinyTags } from "../tiny-model-folder.js";

const ids = (...given: Parameters<typeof selectTags>): number[] => selectTags(...given).map((tag) => tag.id);

test("a tag is returned when its score is strictly greater than its threshold, both in float32", () => {
  const tag = { id: 0, en: "a", zh: "a", threshold: 0.7 };
  assert.deepEqual(ids([tag], Float32Array.of(0.7)), []);
  // The next float32 after that of 0.7.
  assert.deepEqual(ids([tag], Float32Array.of(Math.fround(0.7) + 2 ** -24)), [0]);
});

test("tags come by falling score, equal ones by id", () => {
  assert.deepEqual(ids(tinyTags, Float32Array.of(0.7, 0.9, 0.7, 0.8, 0, 0)), [1, 3, 0, 2]);
});

test("a tag without threshold is off, but for a threshold given by number", () => {
  const scores = Float32Array.of(0, 0, 0, 0, 1, 0);
  assert.deepEqual(ids(tinyTags, scores), []);
  assert.deepEqual(selectTags(tinyTags, scores, { threshold: 0.5 }), [{ id: 4, en: "off", zh: "关", score: 1, threshold: 0.5 }]);
});

test("a threshold of 1 never fires, one of 0 fires for every score above 0", () => {
  const scores = Float32Array.of(1, 0.5, 1e-9, 0, 0, 0);
  assert.deepEqual(ids(tinyTags, scores, { threshold: 1 }), []);
  assert.deepEqual(ids(tinyTags, scores, { threshold: 0 }), [0, 1, 2]);
});

test("top keeps the best ones", () => {
  assert.deepEqual(ids(tinyTags, Float32Array.of(0.7, 0.9, 0.8, 0.5, 0, 0), { top: 2 }), [1, 2]);
});

test("a score that is no number is no tag", () => {
  assert.deepEqual(ids(tinyTags, new Float32Array(6).fill(NaN), { threshold: 0 }), []);
});

test("probabilities are float32 and stay from 0 to 1", () => {
  assert.equal(probability(0), 0.5);
  assert.equal(probability(1000), 1);
  assert.equal(probability(-1000), 0);
  assert.equal(probability(1), Math.fround(1 / (1 + Math.exp(-1))));
});

test("options out of range are refused", () => {
  for (const options of [{ threshold: 2 }, { threshold: NaN }, { threshold: -0.1 }, { threshold: "0.5" as "official" }, { top: 0 }, { top: 1.5 }]) {
    assert.throws(() => checkSelectOptions(options), { name: "TaggerError", code: "bad-option" });
  }
});
