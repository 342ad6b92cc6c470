import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseLifts } from "../../src/train/choose-lifts.js";

const tag = (id: number, en: string, ...parents: string[]) => ({ id, en, zh: en, threshold: 0.5, parents });
const tags = [tag(0, "animal"), tag(1, "dog", "animal"), tag(2, "vehicle"), tag(3, "toy", "vehicle"), { ...tag(4, "plant"), lifted: false }, tag(5, "rose", "plant")];
// Dogs tell which photos show animals, toys do not tell which show vehicles.
const heldOut = Array.from({ length: 20 }, (_, i) => ({ name: String(i), targets: Int8Array.of(Number(i < 10), Number(i < 5), Number(i < 10), Number(i >= 10), -1, -1), read: async () => new Uint8Array() }));
const logits = heldOut.map((_, i) => Float32Array.of(i < 5 ? -4 : i < 10 ? 1 : -1, i < 5 ? 6 : -6, i < 10 ? 1 : 0, i < 10 ? -3 : 6, 0, 0));

test("a tag is lifted where that ranks the photos kept out no worse; of which labels say nothing as before", () => {
  const chosen = chooseLifts({ tags, heldOut, decided: [0, 1, 2, 3] }, logits);
  assert.deepEqual(chosen.filter(({ lifted }) => lifted === false).map(({ en }) => en), ["vehicle", "plant"]);
  assert.deepEqual(chosen.map(({ lifted: _, ...each }) => each), tags.map(({ id, en, zh, threshold, parents }) => ({ id, en, zh, threshold, parents })));
});

test("what is lifted can return", () => {
  const before = tags.map((each) => (each.en === "animal" ? { ...each, lifted: false } : each));
  assert.equal(chooseLifts({ tags: before, heldOut, decided: [0] }, logits)[0]!.lifted, undefined);
});
