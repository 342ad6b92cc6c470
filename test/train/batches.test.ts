import assert from "node:assert/strict";
import { test } from "node:test";
import { classTargets, drawTags, type BatchPlan } from "../../src/train/batches.js";

const tags = 200;
const photos = Array.from({ length: 8 }, (_, i) => ({ name: String(i), targets: Int8Array.from({ length: tags }, (_t, id) => (id >= 160 ? -1 : id === 10 * i || id === 10 * i + 1 ? 1 : 0)), read: async () => new Uint8Array() }));
const plan: BatchPlan = { photos, batch: 8, drawnTags: 64, decided: Array.from({ length: 160 }, (_, i) => i), undecided: Array.from({ length: 40 }, (_, i) => 160 + i), retain: true, asks: false, silence: new Float32Array(tags), seed: 3 };
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

test("a classifier's targets: softened, of the drawn tags that stand for its classes alone, summing to one; nothing of photos that it was not asked about", () => {
  const said = Float32Array.from({ length: tags }, (_, id) => ({ 3: 0.64, 5: 0.04, 7: 0.09 })[id] ?? -1);
  const asked = { ...plan, photos: [{ ...photos[0]!, proposals: said }, photos[1]!] };
  const tagIds = { dtype: "int64", shape: [4], data: BigInt64Array.of(5n, 9n, 3n, 7n) } as const;
  const { is_class, class_targets } = classTargets(asked, Int32Array.of(0, 1), tagIds, new Set([3, 5, 9]));
  assert.deepEqual([...(is_class!.data as Float32Array)], [1, 1, 1, 0]);
  assert.deepEqual(class_targets!.shape, [2, 4]);
  [0.2, 0, 0.8, 0, 0, 0, 0, 0].forEach((share, i) => assert.ok(Math.abs(Number(class_targets!.data[i]) - share) < 1e-6, `${i}: ${class_targets!.data[i]}`));
});
