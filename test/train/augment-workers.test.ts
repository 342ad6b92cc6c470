import assert from "node:assert/strict";
import { test } from "node:test";
import sharp from "sharp";
import { referenceCrop } from "../../src/image/crop.js";
import { augmentPhotos } from "../../src/train/augment-job.js";
import { openAugmentWorkers } from "../../src/train/augment-workers.js";

const augmentation = { size: 16, normalisation: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }, cropping: referenceCrop, operations: true } as const;

test("threads give what the same seeds give here, and tell of photos that cannot be read", async () => {
  const bytes = new Uint8Array(await sharp({ create: { width: 30, height: 20, channels: 3, background: "orange", noise: { type: "gaussian", mean: 128, sigma: 40 } } }).png().toBuffer());
  const photos = [
    { name: "good.png", bytes, seeds: [1, 2] },
    { name: "bad.png", bytes: Uint8Array.of(1, 2, 3), seeds: [1, 3] },
    { name: "gone.png", problem: "gone.png: does not exist", seeds: [] },
    { name: "good.png", bytes, seeds: [1, 4] },
  ];
  await using workers = openAugmentWorkers(augmentation, 2);
  const [first, second, here] = await Promise.all([workers.augment(photos), workers.augment(photos), augmentPhotos(photos, augmentation)]);
  assert.deepEqual(first, here);
  assert.deepEqual(second, here);
  assert.deepEqual(
    here.unreadable.map(({ row, message }) => [row, message.split(":")[0]]),
    [
      [1, "bad.png"],
      [2, "gone.png"],
    ],
  );
  assert.notDeepEqual(here.data.slice(0, 768), here.data.slice(3 * 768));
});
