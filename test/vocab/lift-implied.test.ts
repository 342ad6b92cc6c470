import assert from "node:assert/strict";
import test from "node:test";
import { impliedLift } from "../../src/vocab/lift-implied.js";

const tag = (en: string, ...parents: string[]) => ({ en, zh: en, threshold: 0.5, parents });
const tags = [tag("animal"), tag("dog", "animal"), tag("poodle", "DOG"), tag("cat", "animal"), tag("chair")];

test("a tag comes a third of the way up to the surest tag that implies it, however far below, as the network said it", () => {
  const logits = Float32Array.of(-2, -1.25, 4, 0, 1);
  impliedLift(tags)(logits);
  // Of the animal the poodle decides, not the dog that it has lifted.
  assert.deepEqual([...logits], [0, 0.5, 4, 0, 1]);
});

test("a tag that is not to be lifted keeps its logit, and what it implies is lifted by what implies it", () => {
  const logits = Float32Array.of(-2, -1, 4, 0, 1);
  impliedLift(tags.map((each) => (each.en === "dog" ? { ...each, lifted: false } : each)))(logits);
  assert.deepEqual([...logits], [0, -1, 4, 0, 1]);
});

test("what is surer than all that imply it stays", () => {
  const logits = Float32Array.of(5, 3, 2, -1, 0);
  impliedLift(tags)(logits);
  assert.deepEqual([...logits], [5, 3, 2, -1, 0]);
});

test("logits before and after a vocabulary's own are left alone", () => {
  const logits = Float32Array.of(9, 0, 3, 0, 0, 0, 9);
  impliedLift(tags)(logits, 1);
  assert.deepEqual([...logits], [9, 1, 3, 0, 0, 0, 9]);
});

test("tags without parents, and those whose parents are no tags, keep their logits", () => {
  const logits = Float32Array.of(-3, 7);
  impliedLift([tag("red"), tag("scarlet", "colour")])(logits);
  assert.deepEqual([...logits], [-3, 7]);
});
