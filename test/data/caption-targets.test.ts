import assert from "node:assert/strict";
import { test } from "node:test";
import { createCaptionTargets } from "../../src/data/caption-targets.js";
import { indexTags } from "../../src/vocab/tag-index.js";

const tags = [
  { en: "animal" },
  { en: "dog", parents: ["animal"] },
  { en: "beagle", parents: ["dog"] },
  { en: "water" },
  { en: "cat", parents: ["animal"] },
  { en: "brown" },
].map((tag, id) => ({ id, zh: "", threshold: 0.5, ...tag }));
const index = indexTags(tags);
const corpus = [["a dog in water"], ["two beagles"], ["water"], ["a cat", "some water"]];

test("what captions name is present with what it implies; silence is absence, but for kinds of what is named", () => {
  const targets = createCaptionTargets(corpus, index, 1);
  assert.deepEqual(targets.covered, [0, 1, 2, 3, 4]);
  const fill = (captions: readonly string[], before: readonly number[] = [-1, -1, -1, -1, -1, -1]): number[] => {
    const row = Int8Array.from(before);
    targets.fill(row, captions);
    return [...row];
  };
  assert.deepEqual(fill(["a brown dog runs"]), [1, 1, -1, 0, 0, -1], "nothing of beagles; colours are for pixels to say");
  assert.deepEqual(fill(["a beagle", "a dog swims in the water"]), [1, 1, 1, 1, 0, -1]);
  assert.deepEqual(fill(["an animal"]), [1, -1, -1, 0, -1, -1], "neither is a kind of animal denied");
  assert.deepEqual(fill(["a house"]), [0, 0, 0, 0, 0, -1]);
  assert.deepEqual(fill(["a dog"], [-1, 0, -1, 1, -1, -1])[3], 1, "what a label says stays");
  assert.deepEqual(fill(["a dog"], [-1, 0, -1, 1, -1, -1])[1], 0);
  assert.deepEqual(fill([]), [-1, -1, -1, -1, -1, -1]);
});

test("tags that few captions name are not denied by the others", () => {
  assert.deepEqual(createCaptionTargets(corpus, index, 3).covered, [0, 3]);
});
