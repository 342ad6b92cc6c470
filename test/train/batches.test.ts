import assert from "node:assert/strict";
import { test } from "node:test";
import { classTargets, cropInputs, drawTags, type BatchPlan } from "../../src/train/batches.js";

const tags = 200;
const photos = Array.from({ length: 8 }, (_, i) => ({ name: String(i), targets: Int8Array.from({ length: tags }, (_t, id) => (id >= 160 ? -1 : id === 10 * i || id === 10 * i + 1 ? 1 : 0)), read: async () => new Uint8Array() }));
const plan: BatchPlan = { photos, batch: 8, drawnTags: 64, decided: Array.from({ length: 160 }, (_, i) => i), undecided: Array.from({ length: 40 }, (_, i) => 160 + i), retain: true, asks: false, silence: new Float32Array(tags), absence: new Float32Array(tags).fill(1), classes: new Set([3, 5, 9]), seed: 3 };
const everyone = Int32Array.from(photos.keys());

test("drawn tags: those that the photos show, others at random, an eighth of which nothing is known; each once", () => {
  const { tag_ids, targets, known } = drawTags(plan, everyone, 7);
  const ids = Array.from(tag_ids!.data as BigInt64Array, Number);
  assert.equal(new Set(ids).size, 64);
  assert.equal(ids.filter((id) => id >= 160).length, 8);
  for (let photo = 0; photo < 8; photo++) for (const id of [10 * photo, 10 * photo + 1]) assert.ok(ids.includes(id), `tag ${id} is shown`);
  assert.equal((targets!.data as Float32Array).reduce((a, b) => a + b), 16);
  assert.equal((known!.data as Float32Array).reduce((a, b) => a + b), 8 * 56);
  assert.deepEqual(drawTags(plan, everyone, 7), drawTags(plan, everyone, 7));
});

test("shown tags leave a quarter to others", () => {
  const { tag_ids } = drawTags({ ...plan, drawnTags: 16 }, everyone, 1);
  const ids = Array.from(tag_ids!.data as BigInt64Array, Number);
  const shown = ids.filter((id) => id < 160 && id % 10 < 2 && id < 80);
  // Fourteen are decided: ten of them are drawn from the shown, and some of the rest may be shown by chance.
  assert.ok(shown.length >= 10 && shown.length < 14, String(shown.length));
});

test("a classifier's targets: softened, of the drawn tags that stand for its classes alone, summing to one; nothing of photos that it was not asked about, nor of what labels say", () => {
  const said = Float32Array.from({ length: tags }, (_, id) => ({ 3: 0.64, 5: 0.04, 7: 0.09, 9: 0.5 })[id] ?? -1);
  const targets = Int8Array.from({ length: tags }, (_, id) => (id === 9 ? 0 : -1));
  const asking = { ...plan, photos: [{ ...photos[0]!, targets, proposals: said }, photos[1]!], absence: Float32Array.from({ length: tags }, (_, id) => (id === 5 ? 0.25 : 1)) };
  const tagIds = { dtype: "int64", shape: [5], data: BigInt64Array.of(5n, 9n, 3n, 7n, 10n) } as const;
  const { asked, class_targets } = classTargets(asking, Int32Array.of(0, 1), tagIds);
  assert.deepEqual(asked!.shape, [2, 5]);
  assert.deepEqual([...(asked!.data as Float32Array)], [1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(class_targets!.shape, [2, 5]);
  [0.2, 0, 0.8, 0, 0, 0, 0, 0, 0, 0].forEach((share, at) => assert.ok(Math.abs(Number(class_targets!.data[at]) - share) < 1e-6, `${at}: ${class_targets!.data[at]}`));
  const inputs = cropInputs(asking, Int32Array.of(0, 1), tagIds);
  assert.deepEqual(inputs["asked"], asked);
  assert.deepEqual([...(inputs["silent"]!.data as Float32Array)], [1, 0, 1, 1, 1, 0, 0, 0, 0, 0]);
  assert.deepEqual([...(inputs["absence"]!.data as Float32Array)], [0.25, 1, 1, 1, 1]);
});
