import assert from "node:assert/strict";
import { test } from "node:test";
import type { RamConfig } from "../../src/model/config.js";
import { zeros } from "../../src/tensor/tensor.js";
import { initialWeights } from "../../src/train/initial-weights.js";
import { createTrainer } from "../../src/train/trainer.js";
import { defaultAdamW } from "../../src/train/adamw.js";
import type { StepConfig } from "../../src/train/step-graph.js";
import { testRandom } from "../graph/random-tensor.js";

const model: RamConfig = {
  modelType: "ram_plus",
  encoder: { kind: "mobilenet_v2", imageSize: 64 },
  textWidth: 16,
  tags: 10,
  descriptions: 2,
  head: { width: 16, layers: 1, heads: 2, intermediate: 32 },
  similarity: true,
};

const config: StepConfig = {
  model,
  batch: 4,
  drawnTags: 6,
  from: "pixels",
  proposerClasses: null,
    chosenRows: false,
  losses: { tagging: 1, textAlignment: 0, distillation: 0.5, classDistillation: 0.1, tagAlignment: 0.1, retention: 0.01 },
  rateScale: (name) => (name.startsWith("visual_encoder.") ? 0.1 : 1),
  stochasticDepth: 0.1,
  optimizer: { ...defaultAdamW, weightDecay: 0.01 },
  clipNorm: 1,
};

test("steps on one batch bring the loss down, with drawn tags, stochastic depth and the encoder training", async () => {
  await using trainer = await createTrainer(config, initialWeights(config.model, 1), { threads: 1 });
  const random = testRandom(5);
  const batch = Object.fromEntries(
    Object.entries(trainer.batch).map(([name, { dtype, shape }]) => {
      const tensor = zeros(dtype, shape as number[]);
      if (name === "tag_ids") (tensor.data as BigInt64Array).set([0n, 2n, 3n, 5n, 7n, 9n]);
      else if (name === "known") (tensor.data as Float32Array).fill(1);
      else if (name.startsWith("branch_scale/")) (tensor.data as Float32Array).fill(1);
      else for (let i = 0; i < tensor.data.length; i++) (tensor.data as Float32Array)[i] = name === "targets" ? Number(random() < 0.3) : random() - 0.5;
      return [name, tensor];
    }),
  );
  const losses: number[] = [];
  for (let k = 1; k <= 12; k++) losses.push((await trainer.step(batch, 3e-3, k))["loss"]!);
  assert.ok(losses.every(Number.isFinite), losses.join());
  assert.ok(losses.at(-1)! < 0.8 * losses[0]!, losses.join());
});
