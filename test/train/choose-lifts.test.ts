import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseLifts } from "../../src/train/choose-lifts.js";

const tag = (id: number, en: string, ...parents: string[]) => ({ id, en, zh: en, threshold: 0.5, parents });
const tags = [tag(0, "animal"), tag(1, "dog", "animal"), tag(2, "poodle", "dog"), { ...tag(3, "plant"), lifted: false }, tag(4, "rose", "plant"), tag(5, "chair")];

test("a tag that labels name is not lifted, where something implies it; others are as before", () => {
  assert.deepEqual(chooseLifts(tags, [1, 2, 5]), tags.map((each) => (each.en === "dog" ? { ...each, lifted: false } : each)));
});
