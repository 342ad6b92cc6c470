import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Tag } from "../../src/vocab/tag.js";
import { indexTags } from "../../src/vocab/tag-index.js";
import { parseTags, serialiseTags } from "../../src/vocab/tag-list.js";
import { VocabularyError } from "../../src/vocab/vocabulary-error.js";

const dog = { id: 0, en: "dog", zh: "狗 ", threshold: 0.5, aliases: ["hound"], parents: ["animal"], lifted: false, wnid: "n02084071" };
const animal = { id: 1, en: "animal", zh: "动物", threshold: null, wnid: ["n00015388", "n00017222"] };

test("tags come back as they were written, blanks and all", () => {
  const tags = parseTags([dog, animal], "tags.json");
  assert.deepEqual(tags, [dog, animal]);
  assert.deepEqual(parseTags(JSON.parse(serialiseTags(tags)), "tags.json"), tags);
});

test("an unknown field is passed over", () => {
  assert.deepEqual(parseTags([{ ...dog, colour: "brown" }], "tags.json"), [dog]);
});

const faults: readonly (readonly [string, unknown, RegExp])[] = [
  ["no list", { tags: [] }, /expected a list of tags, received an object/],
  ["no tags", [], /received 0/],
  ["a tag that is no object", [null], /tag 0: expected an object, received null/],
  ["ids out of order", [animal, dog], /tag 0: .*expected 0, received 1/],
  ["an id as text", [{ ...dog, id: "0" }], /expected 0, received "0"/],
  ["no English name", [{ ...dog, en: " " }], /tag 0: en: expected a name/],
  ["no Chinese name", [{ ...dog, zh: undefined }], /tag 0: zh: .*received nothing/],
  ["a name without end", [{ ...dog, en: "x".repeat(5000) }], /1 to 1000 characters/],
  ["a threshold above 1", [{ ...dog, threshold: 1.5 }], /from 0 to 1, received 1.5/],
  ["a threshold as text", [{ ...dog, threshold: "0.5" }], /threshold/],
  ["no threshold", [{ ...dog, threshold: undefined }], /threshold: .*received nothing/],
  ["aliases that are no list", [{ ...dog, aliases: "hound" }], /aliases: expected a list/],
  ["lifted that is no boolean", [{ ...dog, lifted: "no" }], /lifted: expected true or false/],
  ["a parent that is no name", [{ ...dog, parents: [7] }], /parents: expected a name/],
  ["no WordNet id", [{ ...dog, wnid: "02084071" }], /wnid: expected a WordNet id/],
  ["an empty list of WordNet ids", [{ ...dog, wnid: [] }], /wnid: expected/],
];
for (const [what, json, message] of faults) {
  test(`refused: ${what}`, () => {
    assert.throws(() => parseTags(json, "my/tags.json"), (error: unknown) => {
      assert.ok(error instanceof VocabularyError);
      assert.equal(error.code, "bad-tags");
      assert.match(error.message, /^my\/tags\.json: /);
      assert.match(error.message, message);
      return true;
    });
  });
}

test("any JSON either parses or is refused as bad tags", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      try {
        parseTags(json, "tags.json");
      } catch (error) {
        assert.ok(error instanceof VocabularyError);
      }
    }),
    { seed: 1 },
  );
});

test("tags that imply one another in a ring are found; a tag that implies over a thousand is refused", () => {
  const tagsOf = (count: number, next: (id: number) => number): Tag[] => Array.from({ length: count }, (_, id) => ({ id, en: `t${id}`, zh: "", threshold: 0.5, parents: [`t${next(id)}`] }));
  const ring = tagsOf(3, (id) => (id + 1) % 3);
  assert.deepEqual([...indexTags(ring).impliedBy(ring[0]!)].sort(), [1, 2]);
  const chain = tagsOf(100_000, (id) => id + 1);
  assert.throws(() => indexTags(chain).impliedBy(chain[0]!), { name: "VocabularyError", code: "bad-tags", message: /t0 implies more than 1000 tags/ });
});
