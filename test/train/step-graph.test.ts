import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as ort from "onnxruntime-node";
import { gradients } from "../../src/graph/gradient.js";
import { Params } from "../../src/graph/params.js";
import { encodeOnnx } from "../../src/onnx/write-onnx.js";
import type { RamConfig } from "../../src/model/config.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { defaultAdamW } from "../../src/train/adamw.js";
import { buildStep, forwardGraph, parametersAsInputs, type StepConfig } from "../../src/train/step-graph.js";
import { readSafetensorsFixture } from "../read-safetensors.js";
import { shared, sharedMissing } from "../shared-data.js";

const skip = sharedMissing("parity/train_step");
const read = (name: string): Map<string, Tensor> => readSafetensorsFixture(shared(`parity/train_step/${name}`));

function caseConfig(clipNorm: number | null): StepConfig {
  const c = JSON.parse(readFileSync(shared("parity/train_step/config.json"), "utf8"));
  const model: RamConfig = {
    modelType: "ram_plus",
    encoder: { kind: "swin", imageSize: c.image_size, patchSize: c.patch_size, embedWidth: c.swin_embed_dim, depths: c.swin_depths, heads: c.swin_heads, window: c.swin_window },
    textWidth: c.text_width,
    tags: c.tags,
    descriptions: c.descriptions_per_tag,
    head: { width: c.head_hidden, layers: c.head_layers, heads: c.head_heads, intermediate: c.head_intermediate },
    similarity: false,
  };
  return {
    model,
    batch: c.batch,
    drawnTags: null,
    from: "pixels",
    proposerClasses: null,
    chosenRows: false,
    losses: { tagging: 1, textAlignment: 1, distillation: 1, classDistillation: 0, tagAlignment: 0, retention: 0 },
    rateScale: (name) => (name === "label_embed" ? 0 : 1),
    stochasticDepth: 0,
    optimizer: defaultAdamW,
    clipNorm,
  };
}

type Feeds = Record<string, ort.Tensor>;
const asOrt = (t: Tensor): ort.Tensor => new ort.Tensor(t.dtype as "float32", t.data as Float32Array, t.shape as number[]);

function batchFeeds(): Feeds {
  const batch = read("batch.safetensors");
  const tags = batch.get("image_tag")!;
  const identity = Float32Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 1 : 0));
  return {
    pixel_values: asOrt(batch.get("image")!),
    targets: new ort.Tensor("float32", Float32Array.from(tags.data as BigInt64Array, Number), [4, 12]),
    known: new ort.Tensor("float32", new Float32Array(48).fill(1), [4, 12]),
    text_embeds: asOrt(batch.get("batch_text_embed")!),
    text_targets: new ort.Tensor("float32", identity, [4, 4]),
    feature: asOrt(batch.get("clip_feature")!),
  };
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, what);
  for (let i = 0; i < expected.length; i++) assert.ok(Math.abs(actual[i]! - expected[i]!) <= tolerance, `${what}, element ${i}: ${actual[i]}, expected ${expected[i]}`);
}

/** Key biases cancel in the softmax: their gradient is noise, which the fixture's README says not to compare. */
const isKeyBias = (name: string): boolean => name.endsWith("self.key.bias");
function comparable(name: string, values: Float32Array | Float64Array): number[] {
  if (!name.endsWith("attn.qkv.bias")) return [...values];
  const third = values.length / 3;
  return [...values].filter((_, i) => i < third || i >= 2 * third);
}

test("forward values and the gradient of every parameter equal the reference's", { skip }, async () => {
  const p = Params.root();
  const forward = forwardGraph(p, caseConfig(null));
  const trained = p.list().filter((spec) => spec.name !== "label_embed");
  const flows = gradients(
    forward.loss,
    trained.map((spec) => spec.value),
  );
  const values = parametersAsInputs([forward.imageEmbeds, forward.logits, forward.alignmentLogits!, ...flows.map((g) => g!)]);
  const outputs = Object.fromEntries(["image_embeds", "logits", "alignment_logits", ...trained.map((s) => `grad/${s.name}`)].map((name, i) => [name, values[i]!]));
  const expected = read("grads_float64.safetensors");
  const weights = read("weights_start.safetensors");
  assert.deepEqual(trained.map((s) => s.name).sort(), [...expected.keys()].filter((k) => !k.startsWith("forward.")).sort());
  for (const level of ["disabled", "all"] as const) {
    const session = await ort.InferenceSession.create(await encodeOnnx(outputs), { logSeverityLevel: 3, graphOptimizationLevel: level });
    const result = await session.run({ ...batchFeeds(), ...Object.fromEntries([...weights].map(([name, t]) => [name, asOrt(t)])) });
    for (const name of ["image_embeds", "logits", "alignment_logits"]) assertClose(result[name]!.data as Float32Array, expected.get(`forward.${name}`)!.data as Float64Array, 2e-5, `${name}, optimisation ${level}`);
    for (const { name } of trained) {
      const [actual, wanted] = [result[`grad/${name}`]!.data as Float32Array, expected.get(name)!.data as Float64Array];
      const largest = wanted.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
      assertClose(actual, wanted, isKeyBias(name) ? 1e-5 : 2e-5 * largest, `gradient of ${name}, optimisation ${level}`);
    }
    await session.release();
  }
});

async function train(clipNorm: number | null, steps: number, visit: (step: number, weights: ReadonlyMap<string, Float32Array>, losses: number[], norm: number) => void): Promise<void> {
  const step = buildStep(caseConfig(clipNorm));
  const weights = read("weights_start.safetensors");
  // What is frozen is a constant of the graph.
  const session = await ort.InferenceSession.create(await encodeOnnx(step.outputs, (name) => weights.get(name)!), { logSeverityLevel: 3 });
  const state: Feeds = Object.fromEntries(step.trained.map((name) => [name, asOrt(weights.get(name)!)]));
  for (const name of step.trained) {
    for (const kind of ["momentum", "variance"]) state[`${kind}/${name}`] = new ort.Tensor("float32", new Float32Array(state[name]!.size), state[name]!.dims);
  }
  const number = (v: number): ort.Tensor => new ort.Tensor("float32", Float32Array.of(v), []);
  for (let k = 1; k <= steps; k++) {
    const result = await session.run({ ...batchFeeds(), ...state, rate: number(1e-3), correction1: number(1 - 0.9 ** k), correction2: number(Math.sqrt(1 - 0.999 ** k)) });
    for (const name of Object.keys(result)) if (name.startsWith("next/")) state[name.slice(5)] = result[name] as ort.Tensor;
    const losses = ["term/tagging", "term/distillation", "term/text_alignment", "loss"].map((name) => Number(result[name]!.data[0]));
    visit(k, new Map(Object.entries(state).map(([name, t]) => [name, t.data as Float32Array])), losses, Number(result["gradient_norm"]!.data[0]));
  }
  await session.release();
}

test("ten AdamW steps give the reference's losses and weights", { skip }, async () => {
  const expected = read("weights_after_float64.safetensors");
  const start = read("weights_start.safetensors");
  const losses = JSON.parse(readFileSync(shared("parity/train_step/losses.json"), "utf8")).float64 as number[][];
  await train(null, 10, (k, weights, measured) => {
    measured.forEach((loss, i) => assert.ok(Math.abs(loss - losses[k - 1]![i]!) <= 1e-5 * Math.abs(losses[k - 1]![i]!), `loss ${i} of step ${k}: ${loss}`));
    for (const [key, wanted] of expected) {
      const [, at, name] = /^step(\d+)\/(.*)$/.exec(key)!;
      if (Number(at) !== k) continue;
      const actual = weights.get(name!)!;
      if (isKeyBias(name!)) assertClose(actual, start.get(name!)!.data as Float32Array, 1.1e-3 * k, name!);
      else assertClose(comparable(name!, actual), comparable(name!, wanted.data as Float64Array), 1e-5, `${name} after ${k} steps`);
    }
  });
});

test("a step with clipped gradients gives the reference's weights", { skip }, async () => {
  const expected = read("clipped_float64.safetensors");
  await train(1, 1, (_k, weights) => {
    for (const [key, wanted] of expected) {
      if (!key.startsWith("step1/") || isKeyBias(key)) continue;
      const name = key.slice(6);
      assertClose(comparable(name, weights.get(name)!), comparable(name, wanted.data as Float64Array), 1e-5, name);
    }
  });
});
