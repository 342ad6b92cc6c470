import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readFurtherLabels, unmentioned } from "../../src/data/further-labels.js";
import { indexTags } from "../../src/vocab/tag-index.js";

const index = indexTags([{ en: "oak", parents: ["tree"] }, { en: "tree" }, { en: "sky" }, { en: "dog" }].map((tag, id) => ({ id, zh: tag.en, threshold: 0.5, ...tag })));
const [oak, tree, sky, dog] = [0, 1, 2, 3];
const folder = mkdtempSync(join(tmpdir(), "ramplus-further-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("what a photo's line says is present, what it does not absent, what it doubts unknown", async () => {
  const file = join(folder, "labels.csv");
  writeFileSync(file, "a,oak\nb,?oak,sky\nc\n");
  const labels = await readFurtherLabels(file, index);
  assert.deepEqual([labels.asked, labels.covered, [...labels.photos]], [[oak, sky], [oak, tree, sky], ["a", "b", "c"]]);
  const said = (key: string): number[] => [oak, tree, sky, dog].map((id) => labels.of(key, id));
  assert.deepEqual(said("a"), [1, 1, 0, -1]);
  assert.deepEqual(said("b"), [-1, -1, 1, -1]);
  assert.deepEqual(said("c"), [0, -1, 0, -1], "there may be other trees");
  assert.deepEqual(said("d"), [-1, -1, -1, -1]);
});

test("captions' silence says nothing of what a tenth of the photos show that do not mention it", async () => {
  const file = join(folder, "many.csv");
  const keys = Array.from({ length: 100 }, (_, i) => `p${i}`);
  // Of the last 60, whose captions name nothing, seven show sky and six a dog; three more dogs are doubted.
  writeFileSync(file, keys.map((key, i) => [key, ...(i < 47 ? ["sky"] : []), ...(i < 46 ? ["dog"] : i < 49 ? ["?dog"] : []), ...(i === 0 ? ["oak"] : [])].join()).join("\n"));
  const labels = await readFurtherLabels(file, index);
  const named = (key: string): number[] => (Number(key.slice(1)) < 40 ? [sky, dog] : []);
  assert.deepEqual(unmentioned(labels, named), [sky, dog], "7 of 60, and 6 of 57");
  assert.deepEqual(unmentioned(labels, (key) => (Number(key.slice(1)) < 41 ? [sky, dog] : [])), [sky], "6 of 59, and 5 of 56");
  assert.deepEqual(unmentioned(labels, (key) => (Number(key.slice(1)) < 60 ? [sky, dog] : [])), [], "too few photos are left");
});
