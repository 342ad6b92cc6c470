import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { graphFiles } from "../../src/bundle/model-folder.js";
import { checkPrecisions } from "../../src/convert/check-precisions.js";
import { smoothNorms } from "../../src/convert/smooth-norms.js";
import { writeModel } from "../../src/convert/write-model.js";
import { topologicalOrder } from "../../src/graph/traverse.js";
import type { RamConfig } from "../../src/model/config.js";
import { readOnnx } from "../../src/onnx/read-onnx.js";
import type { Pixels } from "../../src/image/pixels.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { initialWeights } from "../../src/train/initial-weights.js";
import { testRandom } from "../graph/random-tensor.js";

/** Just large enough that each kind of weight is brought to 8 bits. */
const model: RamConfig = {
  modelType: "ram_plus",
  encoder: { kind: "swin", imageSize: 32, patchSize: 4, embedWidth: 128, depths: [2, 1], heads: [4, 8], window: 4 },
  textWidth: 256,
  tags: 48,
  descriptions: 8,
  head: { width: 256, layers: 1, heads: 4, intermediate: 512 },
  similarity: false,
};

type Named = Map<string, Tensor<"float32">>;

/** Weights whose products keep the size of what goes in, as trained ones do. */
function lively(config = model): Named {
  const weights = initialWeights(config, 5);
  for (const { shape, data } of weights.values()) {
    if (shape.length !== 2 || shape[1]! < 64) continue;
    const size = Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length);
    for (let i = 0; i < data.length; i++) data[i]! *= 1 / (size * Math.sqrt(shape[1]!));
  }
  return weights;
}

/** The same network, some channels of whose norms are 60 times as large and their weights as much smaller. */
function withOutliers(weights: Named): Named {
  const changed = new Map([...weights].map(([name, t]) => [name, { ...t, data: t.data.slice() }]));
  for (const [name, { data, shape }] of changed) {
    const norm = name.replace(/attn\.qkv\.weight$/, "norm1").replace(/mlp\.fc1\.weight$/, "norm2");
    if (norm === name) continue;
    for (const channel of [3, 50, 101]) {
      for (const part of ["weight", "bias"]) changed.get(`${norm}.${part}`)!.data[channel]! *= 60;
      for (let row = 0; row < shape[0]!; row++) data[row * shape[1]! + channel]! /= 60;
    }
  }
  return changed;
}

const random = testRandom(11);
const photos: Pixels[] = Array.from({ length: 2 }, () => ({ width: 32, height: 32, data: Uint8Array.from({ length: 32 * 32 * 3 }, () => random() * 256) }));

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "ramplus-q8-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function write(folder: string, weights: Named, config = model): Promise<void> {
  await writeModel(folder, {
    model: config,
    weights: (name) => weights.get(name)!,
    tags: Array.from({ length: config.tags }, (_, id) => ({ id, en: `tag ${id}`, zh: "", threshold: 0.5 })),
    preprocessor: { size: 32, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    dtypes: ["fp32", "fp16", "q8"],
    card: "",
    madeBy: "ramplus tests",
  });
}

const lossOf = (weights: Named, config = model): Promise<number> =>
  inFolder(async (folder) => {
    await write(folder, weights, config);
    return (await checkPrecisions(folder, ["q8"], folder, photos))[0]!.meanError;
  });

test("q8 is a quarter of fp32, in integers where it says, and costs little", async () => {
  await inFolder(async (folder) => {
    await write(folder, lively());
    const checks = await checkPrecisions(folder, ["fp32", "fp16", "q8"], folder, photos);
    const [fp32, fp16, q8] = checks;
    assert.deepEqual([fp32!.meanError, fp32!.f1], [0, 1]);
    assert.ok(fp16!.meanError > 0 && fp16!.meanError < 1e-3, JSON.stringify(fp16));
    assert.ok(q8!.meanError > fp16!.meanError && q8!.meanError < 1e-2, JSON.stringify(q8));
    const weights = async (dtype: "fp32" | "fp16" | "q8"): Promise<number> => (await stat(`${graphFiles(folder, dtype).vision}.data`)).size;
    assert.ok((await weights("q8")) < 0.35 * (await weights("fp32")), `${await weights("q8")} of ${await weights("fp32")}: a quarter, scales, and small weights as they are`);
    assert.ok((await weights("fp16")) < 0.55 * (await weights("fp32")), "half, and norms");
    const count = async (file: string, name: string): Promise<number> => {
      const graph = readOnnx(await readFile(file));
      return topologicalOrder([...graph.outputs.values()]).filter((value) => value.op?.name === name).length;
    };
    const { vision, tagging } = graphFiles(folder, "q8");
    // The second stage alone has matrices above the least size: two blocks of the first have fc1 and fc2 of that size too.
    assert.equal(await count(vision, "MatMulInteger"), 2 * 2 + 3);
    assert.ok((await count(vision, "MatMulNBits")) >= 1);
    assert.ok((await count(tagging, "MatMulNBits")) >= 4);
    assert.equal(await count(tagging, "DequantizeLinear"), 1);
  });
});

test("q8 of RAM, which has one embedding a tag, costs little too", async () => {
  const ram: RamConfig = { ...model, modelType: "ram", tags: 300, descriptions: 1 };
  const loss = await lossOf(lively(ram), ram);
  assert.ok(loss > 0 && loss < 1e-2, `${loss}`);
});

test("channels of a norm that are far larger than the others cost q8 nothing", async () => {
  const plain = await lossOf(lively());
  const outliers = withOutliers(lively());
  assert.ok((await lossOf(outliers)) < 1.5 * plain);
  const smoothed = smoothNorms((name) => outliers.get(name)!, outliers.keys());
  const scale = (await smoothed("visual_encoder.layers.0.blocks.0.norm2.weight")).data as Float32Array;
  assert.ok(Math.max(...scale) < 20, `the largest of 60 is ${Math.max(...scale)}`);
});

test("a balanced norm and its product are the same function", async () => {
  const weights = withOutliers(lively());
  const smoothed = smoothNorms((name) => weights.get(name)!, weights.keys());
  const scope = "visual_encoder.layers.1.blocks.0";
  const sums = async (get: (name: string) => Tensor | Promise<Tensor>): Promise<number[]> => {
    const [scale, bias, w] = await Promise.all([`${scope}.norm1.weight`, `${scope}.norm1.bias`, `${scope}.attn.qkv.weight`].map(async (name) => (await get(name)).data as Float32Array));
    const width = scale!.length;
    return Array.from({ length: 8 }, (_, row) => scale!.reduce((sum, g, c) => sum + (g * Math.sin(c) + bias![c]!) * w![row * width + c]!, 0));
  };
  const [before, after] = [await sums((name) => weights.get(name)!), await sums(smoothed)];
  before.forEach((v, i) => assert.ok(Math.abs(v - after[i]!) < 1e-5 * (1 + Math.abs(v)), `${v} and ${after[i]}`));
});
