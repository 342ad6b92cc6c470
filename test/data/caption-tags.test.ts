import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { captionTags } from "../../src/data/caption-tags.js";

const names: readonly (readonly string[])[] = [
  ["dog", "puppy"],
  ["hot dog"],
  ["child", "kid"],
  ["person", "people"],
  ["horse"],
  ["jumping", "leaping"],
  ["running"],
  ["watch"],
  ["skis"],
  ["tennis racket", "tennis racquet"],
  ["leaf"],
  ["building"],
  ["black and white"],
  ["view"],
];
const tags = names.map(([en, ...aliases], id) => ({ id, en: en!, zh: "", threshold: 0.5, aliases }));
const parser = captionTags(tags, { stop: ["view"] });
const found = (caption: string): string[] => parser.parse(caption).map((id) => tags[id]!.en);

test("sentences to tags: dictionary forms, longest names first, aliases, actions by any form of their verb", () => {
  assert.deepEqual(found("Two puppies are jumping over leaves ."), ["dog", "jumping", "leaf"]);
  assert.deepEqual(found("A kid eats a hot dog while a woman watches a dog"), ["child", "hot dog", "dog"]);
  assert.deepEqual(found("Children's toys beside people who leaped and ran"), ["child", "person", "jumping", "running"]);
  assert.deepEqual(found("A woman with two tennis racquets, and a wrist watch"), ["tennis racket", "watch"]);
  assert.deepEqual(found("A boy on skis looks at the buildings"), ["skis", "building"]);
  assert.deepEqual(found("A black-and-white view of horses."), ["black and white", "horse"]);
  assert.deepEqual(found("They build a house"), []);
  assert.deepEqual(found(""), []);
});

test("any text is parsed without a throw, to ids of the vocabulary", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), fc.array(fc.constantFrom("dog", "dogs", "a", "jumps", "-", "'s", ".", "horse", "\n", "😀"), { maxLength: 30 }).map((words) => words.join(" "))), (text) => {
      const ids = parser.parse(text);
      assert.ok(ids.every((id) => id >= 0 && id < tags.length) && new Set(ids).size === ids.length);
    }),
    { numRuns: 200, seed: 11 },
  );
});
