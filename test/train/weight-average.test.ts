import assert from "node:assert/strict";
import { test } from "node:test";
import { float32 } from "../../src/tensor/tensor.js";
import { createWeightAverage, weightsOnly } from "../../src/train/weight-average.js";

test("an average of weights decays by step, leaves moments out, and goes on from a saved state", () => {
  const at = (w: number): Map<string, ReturnType<typeof float32>> => new Map([["w", float32([1], [w])], ["momentum/w", float32([1], [9])]]);
  const average = createWeightAverage(0.9, new Map());
  assert.equal(average.weights(), null);
  average.add(at(1));
  average.add(at(2));
  const kept = 0.9 ** average.every;
  assert.ok(Math.abs(Number(average.weights()!.get("w")!.data[0]) - (kept + (1 - kept) * 2)) < 1e-6);
  assert.deepEqual([...average.weights()!.keys()], ["w"]);
  const state = new Map([...at(2), ...average.saved()]);
  assert.deepEqual([...weightsOnly(state).keys()], ["w"]);
  const again = createWeightAverage(0.9, state);
  average.add(at(5));
  again.add(at(5));
  assert.deepEqual(again.weights(), average.weights());
});
