import assert from "node:assert/strict";
import { test } from "node:test";
import { groupTags } from "../../src/eval/tag-groups.js";
import type { Tag } from "../../src/vocab/tag.js";

const tag = (id: number, en: string, more: Partial<Tag> = {}): Tag => ({ id, en, zh: "", threshold: 0.5, ...more });
const vocabulary = [tag(0, "dog", { parents: ["animal"], wnid: "n1", aliases: ["hound"] }), tag(1, "cat", { parents: ["animal"], wnid: "n2" }), tag(2, "animal", { wnid: "n3" }), tag(3, "car", { parents: ["vehicle"], wnid: ["n4", "n5"] }), tag(4, "vehicle")];
const measured = [0, 1, 2, 3].map((id) => ({ name: vocabulary[id]!.en.toUpperCase(), tag: vocabulary[id]! }));

test("a tag groups those that it is above, itself among them", () => {
  assert.deepEqual(groupTags("parents", measured, vocabulary), [{ name: "animal", columns: [0, 1, 2] }]);
});

test("a synset groups the tags below it, of several synsets each once", () => {
  const hypernyms = { n1: { words: ["dog"], parents: ["n3"] }, n2: { words: ["cat"], parents: ["n3"] }, n3: { words: ["animal", "beast"], parents: ["n9"] }, n4: { words: ["car"], parents: ["n8"] }, n5: { words: ["machine"], parents: ["n8"] }, n8: { words: ["vehicle"], parents: ["n9"] }, n9: { words: ["entity"], parents: [] } };
  assert.deepEqual(groupTags({ hypernyms }, measured, vocabulary), [{ name: "entity", columns: [0, 1, 2, 3] }, { name: "animal", columns: [0, 1, 2] }]);
});

test("a list names tags as the labels do, or by name or alias; what is not measured is left out", () => {
  assert.deepEqual(groupTags({ pets: ["hound", "cat"], hypernyms: ["CAR"], other: ["vehicle"] }, measured, vocabulary), [{ name: "pets", columns: [0, 1] }, { name: "hypernyms", columns: [3] }]);
});
