import assert from "node:assert/strict";
import { test } from "node:test";
import { compareLogits } from "../../src/convert/compare-logits.js";
import { probability } from "../../src/tagger/select-tags.js";

const tags = [0.5, 0.5, 0.5, null].map((threshold, id) => ({ id, en: `tag ${id}`, zh: "", threshold }));

test("logits: differences, tags of both sides, and tags that are off", () => {
  const { maxLogit, meanLogit, common, onlyHere, onlyThere } = compareLogits(tags, Float32Array.of(1, 0.25, -1, 5), Float32Array.of(2, -0.25, 1, 5), "logits");
  assert.deepEqual([maxLogit, meanLogit, common], [2, (1 + 0.5 + 2) / 4, 1]);
  assert.deepEqual(onlyHere.map(({ id }) => id), [1]);
  assert.deepEqual(onlyThere, [{ id: 2, en: "tag 2", threshold: 0.5, here: probability(-1), there: probability(1) }]);
});

test("probabilities: there are no differences of logits", () => {
  const scores = [1, 0.25, -1, 5].map(probability);
  const result = compareLogits(tags, Float32Array.of(1, 0.25, -1, 5), Float32Array.from(scores, (score, i) => (i === 0 ? score - 0.125 : score)), "sigmoid");
  assert.deepEqual([result.maxLogit, result.meanLogit], [null, null]);
  assert.ok(Math.abs(result.maxProbability - 0.125) < 1e-6 && Math.abs(result.meanProbability - 0.125 / 4) < 1e-6);
});
