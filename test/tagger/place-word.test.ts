import assert from "node:assert/strict";
import { test } from "node:test";
import { wordPlacer } from "../../src/tagger/place-word.js";
import { fitsPattern } from "../../src/tagger/wildcards.js";

const hypernyms = {
  n00000001: { words: ["animal"], parents: [] },
  n00000002: { words: ["dog", "domestic_dog"], parents: ["n00000001"] },
  n00000003: { words: ["poodle"], parents: ["n00000002"] },
  n00000004: { words: ["corgi"], parents: ["n00000002"] },
  n00000005: { words: ["toy poodle"], parents: ["n00000003"] },
  n00000006: { words: ["virtue"], parents: [] },
  // A circle, as a hostile file may have.
  n00000007: { words: ["round"], parents: ["n00000008"] },
  n00000008: { words: ["about"], parents: ["n00000007"] },
};
const tags = [
  { id: 0, en: "poodle", zh: "", threshold: 0.5, wnid: "n00000003" },
  { id: 1, en: "corgi", zh: "", threshold: 0.5, wnid: ["n00000004"] },
];

test("a word is placed by its kinds, else by the nearest tag that it is a kind of", () => {
  const place = wordPlacer(tags, hypernyms);
  assert.deepEqual(place("Domestic dog"), { relation: "kinds", ids: [0, 1] });
  assert.deepEqual(place("animal"), { relation: "kinds", ids: [0, 1] });
  assert.deepEqual(place("toy poodle"), { relation: "kind of", ids: [0] });
  assert.equal(place("virtue"), null);
  assert.equal(place("round"), null);
  assert.equal(place("unheard of"), null);
});

test("patterns: any characters, one character, case, and no blow-up", () => {
  for (const [text, pattern, fits] of [
    ["fox terrier", "*terrier", true],
    ["fox terrier", "fox*", true],
    ["fox terrier", "f?x*r", true],
    ["fox terrier", "f?ox*", false],
    ["Fox", "fOX", true],
    ["", "*", true],
    ["", "?", false],
    ["狗", "?", true],
    ["a.b", "a?b", true],
    ["axb", "a.b", false],
    ["abcabc", "*abc", true],
    ["a".repeat(1000), `${"*a".repeat(300)}b`, false],
  ] as const) assert.equal(fitsPattern(text, pattern), fits, `${text} ${pattern}`);
});
