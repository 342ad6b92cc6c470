import assert from "node:assert/strict";
import { test } from "node:test";
import { pixelShares, pixelTagIds, pixelTargets } from "../../src/data/pixel-tags.js";
import { indexTags } from "../../src/vocab/tag-index.js";

const names = ["red", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray", "black and white", "bright", "dark", "dog"];
const index = indexTags(names.map((en, id) => ({ id, en, zh: "", threshold: 0.5 })));

/** What is said of a photo of such pixels: names of present tags, and whether "dog" is left alone. */
function said(...pixels: readonly (readonly [number, number, number])[]): { present: string[]; absent: string[]; unknown: string[] } {
  const targets = new Int8Array(names.length).fill(-1);
  pixelTargets(targets, pixelShares({ width: pixels.length, height: 1, data: Uint8Array.from(pixels.flat()) }), index);
  const of = (value: number): string[] => names.filter((_, i) => targets[i] === value);
  return { present: of(1), absent: of(0), unknown: of(-1) };
}

test("plain colours are called by their names", () => {
  for (const [pixel, expected] of [
    [[220, 30, 30], ["red"]],
    [[240, 220, 40], ["yellow", "bright"]],
    [[40, 160, 50], ["green"]],
    [[30, 90, 220], ["blue"]],
    [[110, 40, 170], ["purple"]],
    [[250, 160, 190], ["pink", "bright"]],
    [[120, 70, 30], ["brown"]],
    [[10, 10, 10], ["black", "black and white", "dark"]],
    [[250, 250, 250], ["white", "black and white", "bright"]],
    [[128, 128, 128], ["gray", "black and white"]],
  ] as const) assert.deepEqual(said(pixel).present, expected, String(pixel));
  assert.deepEqual(said([220, 30, 30]).unknown, ["dark", "dog"]);
});

test("a colour of some of the photo is not said to be there or not", () => {
  const half = said(...Array.from({ length: 10 }, (_, i): [number, number, number] => (i < 2 ? [220, 30, 30] : [40, 160, 50])));
  assert.deepEqual(half.present, ["green"]);
  assert.ok(half.unknown.includes("red") && half.absent.includes("blue"));
});

test("the tags that pixels decide are those that the vocabulary has", () => {
  assert.equal(pixelTagIds(index).length, 13);
  assert.deepEqual(pixelTagIds(indexTags([{ id: 0, en: "dog", zh: "", threshold: 0.5 }])), []);
});
