import assert from "node:assert/strict";
import { test } from "node:test";
import { embedRows, type RamConfig } from "../../src/model/config.js";
import { float32, zeros, type Tensor } from "../../src/tensor/tensor.js";
import { defaultAdamW } from "../../src/train/adamw.js";
import { initialWeights } from "../../src/train/initial-weights.js";
import { createTrainer } from "../../src/train/trainer.js";

const plain: RamConfig = { modelType: "ram_plus", encoder: { kind: "mobilenet_v2", imageSize: 32 }, textWidth: 8, tags: 4, descriptions: 2, head: { width: 8, layers: 1, heads: 2, intermediate: 8 }, similarity: false };

for (const classifier of [false, true]) test(`rows of the label table${classifier ? " and of the classifier" : ""} that are not chosen stay, and start's logits are held to where nothing is known`, async () => {
  const model: RamConfig = { ...plain, classifier };
  const weights = initialWeights(model, 2);
  await using trainer = await createTrainer(
    { model, batch: 2, drawnTags: 3, from: "embeds", proposerClasses: null,
    chosenRows: true, losses: { tagging: 1, textAlignment: 0, distillation: 0, classDistillation: 0, tagAlignment: 0, retention: 1 }, rateScale: () => 1, stochasticDepth: 0, optimizer: { ...defaultAdamW, weightDecay: 0 }, clipNorm: 1 },
    weights,
    { device: "cpu" },
  );
  assert.deepEqual(Object.keys(trainer.batch).sort(), ["image_embeds", "known", "start_logits", "tag_ids", "tag_trains", "targets"]);
  const bytes = (shape: number[], data: number[]): Tensor => ({ dtype: "uint8", shape, data: Uint8Array.from(data) });
  const feeds = {
    image_embeds: float32([2, embedRows(model), 8], Array.from({ length: 16 * embedRows(model) }, (_, i) => Math.sin(i))),
    tag_ids: { dtype: "int64", shape: [3], data: BigInt64Array.of(0n, 2n, 3n) },
    tag_trains: bytes([3], [0, 1, 0]),
    targets: float32([2, 3], [1, 0, 0, 0, 1, 0]),
    known: float32([2, 3], [1, 1, 0, 1, 1, 0]),
    start_logits: zeros("float32", [2, 3]),
  } as const;
  const first = await trainer.step(feeds, 1e-2, 1);
  assert.ok(first["retention"]! > 0);
  for (let step = 2; step <= 60; step++) await trainer.step(feeds, 1e-2, step);
  const last = await trainer.step(feeds, 1e-2, 61);
  assert.ok(last["tagging"]! < first["tagging"]! / 2, `${first["tagging"]} to ${last["tagging"]}`);
  for (const [name, width] of [["label_embed", 16], ...(classifier ? [["classifier.weight", 1280] as const] : [])] as const) {
    const [before, after] = [weights.get(name)!.data, (await trainer.state()).get(name)!.data as Float32Array];
    const row = (data: Float32Array, tag: number): number[] => [...data.subarray(tag * width, (tag + 1) * width)];
    for (const tag of [0, 1, 3]) assert.deepEqual(row(after, tag), row(before, tag), `${name}, tag ${tag}`);
    assert.notDeepEqual(row(after, 2), row(before, 2), name);
  }
});
