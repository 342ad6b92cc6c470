import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { configFromShapes } from "../../src/convert/config-from-shapes.js";
import { writeSafetensors } from "../../src/checkpoint/write-safetensors.js";
import { evaluate, parametersOf } from "../../src/graph/evaluate.js";
import { Params } from "../../src/graph/params.js";
import { input } from "../../src/graph/value.js";
import { slice } from "../../src/graph/ops/structure.js";
import type { RamConfig } from "../../src/model/config.js";
import { mobileNetV2 } from "../../src/model/mobilenet-v2.js";
import { normal, seededRandom } from "../../src/tensor/random.js";
import { float32, type Tensor } from "../../src/tensor/tensor.js";
import { finishModel } from "../../src/train/finish-model.js";
import { initialWeights } from "../../src/train/initial-weights.js";
import { readModelStart } from "../../src/train/model-start.js";
import { sideEncoder, withSideNetwork } from "../../src/train/side-start.js";
import { train } from "../../src/train/train.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { smallConfig, writeSmallModel } from "../small-model.js";
import { temporaryFolder } from "../tiny-model-folder.js";
import { writeSyntheticRun } from "./synthetic-run.js";

const wide: RamConfig = { ...smallConfig, encoder: { kind: "mobilenet_v2", imageSize: 32, sideNetwork: true } };
const classes = 20;

/** A classifier with an encoder of its own. */
function classifierOf(seed: number): { encoder: Map<string, Tensor>; rows: Map<string, Float32Array> } {
  const random = seededRandom(seed, 77);
  const encoder = new Map([...initialWeights(smallConfig, seed)].filter(([name]) => name.startsWith("visual_encoder.")).map(([name, tensor]) => [name.slice("visual_encoder.".length), tensor]));
  const rows = new Map(Array.from({ length: classes }, (_, i) => [`n${String(i + 1).padStart(8, "0")}`, Float32Array.from({ length: 1280 }, () => normal(random))]));
  return { encoder, rows };
}

const asClassifier = ({ encoder, rows }: ReturnType<typeof classifierOf>): Parameters<typeof withSideNetwork>[1] => ({ encoder, rows, weight: float32([0, 1280], []), bias: float32([0], []), wnids: [] });

/** The mean token of one noise image. */
function pooledToken(config: { readonly kind: "mobilenet_v2"; readonly imageSize: number; readonly sideNetwork?: boolean }, encoder: ReadonlyMap<string, Tensor>): Float32Array {
  const random = seededRandom(9, 1);
  const image = float32([1, 3, 32, 32], Float32Array.from({ length: 3 * 32 * 32 }, () => normal(random)));
  const token = slice(mobileNetV2(input("image", "float32", [1, 3, 32, 32]), Params.root(), config), 1, 0, 1);
  return evaluate([token], new Map([...encoder, ["image", image]]))[0]!.data as Float32Array;
}

const withoutScope = (weights: ReadonlyMap<string, Tensor>): Map<string, Tensor> => new Map([...weights].map(([name, tensor]) => [name.replace("visual_encoder.", ""), tensor]));

test("a side network's tokens follow the first's; both come from the same first blocks", () => {
  const own = initialWeights(smallConfig, 1);
  const classifier = classifierOf(2);
  const both = pooledToken({ kind: "mobilenet_v2", imageSize: 32, sideNetwork: true }, withoutScope(sideEncoder(own, asClassifier(classifier))));
  assert.equal(both.length, 2560);
  const plain = { kind: "mobilenet_v2", imageSize: 32 } as const;
  const ownEncoder = withoutScope(new Map([...own].filter(([name]) => name.startsWith("visual_encoder."))));
  assert.deepEqual(both.subarray(0, 1280), pooledToken(plain, ownEncoder));
  const grafted = new Map([...ownEncoder].map(([name, tensor]) => [name, /^(stem|blocks\.[0-6])\./.test(name) ? tensor : classifier.encoder.get(name)!]));
  assert.deepEqual(both.subarray(1280), pooledToken(plain, grafted));
  assert.notDeepEqual(both.subarray(1280), both.subarray(0, 1280));
});

test("a network with a side network has its shapes told from its tensors, and one weight for each", () => {
  const weights = initialWeights(wide, 1);
  const shapes = new Map([...weights].map(([name, { shape }]) => [name, shape]));
  assert.deepEqual(configFromShapes("x", shapes, { tags: 6, imageSize: 32, heads: 2 }), wide);
  const p = Params.root();
  const tokens = mobileNetV2(input("image", "float32", [1, 3, 32, 32]), p, { kind: "mobilenet_v2", imageSize: 32, sideNetwork: true });
  const names = [...parametersOf([tokens]).keys()];
  assert.equal(names.length, new Set(names).size);
  assert.ok(names.includes("side_network.blocks.7.expand.weight") && !names.includes("side_network.blocks.6.expand.weight"));
});

test("what the side network begins with: the classifier's blocks, and its features along the classes' directions", () => {
  const given = initialWeights(smallConfig, 1);
  const classifier = asClassifier(classifierOf(2));
  const random = seededRandom(3, 1);
  const pooled = Array.from({ length: 30 }, () => Float32Array.from({ length: 2560 }, () => Math.abs(normal(random))));
  const weights = withSideNetwork(given, classifier, pooled);
  const expected = initialWeights(wide, 1);
  assert.deepEqual([...weights.keys()].sort(), [...expected.keys()].sort());
  for (const [name, { shape }] of expected) assert.deepEqual(weights.get(name)!.shape, shape, name);
  assert.deepEqual(weights.get("visual_encoder.side_network.head.weight")!.data, classifier.encoder.get("head.weight")!.data);
  assert.deepEqual(weights.get("visual_encoder.blocks.7.expand.weight"), given.get("visual_encoder.blocks.7.expand.weight"));
  assert.deepEqual(weights.get("label_embed"), given.get("label_embed"));
  // Three fifths of the vector are what it was; the rest is as long, for the middle photo, and without a mean.
  const [rows, bias] = [weights.get("image_proj.weight")!.data as Float32Array, weights.get("image_proj.bias")!.data as Float32Array];
  const [before, beforeBias] = [given.get("image_proj.weight")!.data, given.get("image_proj.bias")!.data as Float32Array];
  const part = (feature: Float32Array, from: number): number[] => Array.from({ length: 16 }, (_, row) => Array.from({ length: 1280 }, (_, i) => rows[row * 2560 + from + i]! * feature[from + i]!).reduce((a, b) => a + b, 0));
  for (let i = 0; i < 1280; i += 91) assert.ok(Math.abs(rows[2560 + i]! - 0.6 * before[1280 + i]!) < 1e-6);
  const sideBias = bias.map((v, i) => v - 0.6 * beforeBias[i]!);
  const own = pooled.map((feature) => Math.hypot(...part(feature, 0).map((v, i) => v + 0.6 * beforeBias[i]!)) / 0.6).sort((a, b) => a - b)[15]!;
  const side = pooled.map((feature) => Math.hypot(...part(feature, 1280).map((v, i) => v + sideBias[i]!)) / 0.4).sort((a, b) => a - b)[15]!;
  assert.ok(Math.abs(side / own - 1) < 1e-3, `${side} ${own}`);
  const sums = pooled.map((feature) => part(feature, 1280).map((v, i) => v + sideBias[i]!)).reduce((a, b) => a.map((v, i) => v + b[i]!));
  assert.ok(sums.every((v) => Math.abs(v / pooled.length) < 1e-4 * own), sums.join());
  const lacking = { ...classifier, encoder: new Map([...classifier.encoder].filter(([name]) => name !== "head.bias")) };
  assert.throws(() => sideEncoder(given, lacking), { code: "missing-weight", message: /has no weight head\.bias/ });
  const few = { ...classifier, rows: new Map([...classifier.rows].slice(0, 16)) };
  assert.throws(() => withSideNetwork(given, few, pooled), { code: "bad-train-config", message: /16 classes, textWidth 16/ });
});

test("a model gets a side network, trains, is written, and is gone on from", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  const file = await writeSyntheticRun(folder.path, 1);
  await writeSmallModel(at("model"));
  mkdirSync(at("classifier"));
  const { encoder, rows } = classifierOf(2);
  const weight = float32([classes, 1280], [...rows.values()].flatMap((row) => [...row]));
  await writeSafetensors(at("classifier/weights.safetensors"), [...[...encoder].map(([name, tensor]) => ({ name, tensor })), { name: "classifier.weight", tensor: weight }, { name: "classifier.bias", tensor: float32([classes], Array<number>(classes).fill(0)) }]);
  writeFileSync(at("classifier/classes.json"), JSON.stringify({ classes: [...rows.keys()].map((wnid) => ({ wnid })) }));
  const config = JSON.parse(readFileSync(file, "utf8")) as object;
  const { modelType: _type, tags: _tags, ...sizes } = wide;
  const phase = { name: "whole", from: "pixels", steps: 2, batch: 4, drawnTags: 4, rate: 1e-3, losses: { tagging: 1 }, rateScales: { "visual_encoder.side_network": 0 } };
  const write = (more: object): void => writeFileSync(file, JSON.stringify({ ...config, model: sizes, weights: "model", classifier: "classifier", proposer: "classifier", sources: [{ set: "set", proposals: true }], phases: [phase], ...more }));

  write({ classifier: null });
  await assert.rejects(train(file, { out: at("none") }), { code: "bad-train-config", message: /model has no side network, and there is no classifier/ });
  write({ weights: null });
  await assert.rejects(train(file, { out: at("none") }), { code: "bad-train-config", message: /add "weights", or remove sideNetwork/ });

  write({});
  const result = await train(file, { out: at("run"), device: "cpu" });
  assert.deepEqual(result.weights.get("visual_encoder.side_network.head.weight")!.data, encoder.get("head.weight")!.data, "frozen");
  assert.notDeepEqual(result.weights.get("visual_encoder.head.weight")!.data, (await readModelStart(at("model"))).weights.get("visual_encoder.head.weight")!.data);
  await finishModel(result, at("finished"));
  const read = await readModelStart(at("finished"));
  assert.deepEqual(read.model.encoder, wide.encoder);
  const head = encoder.get("head.weight")!.data as Float32Array;
  const found = read.weights.get("visual_encoder.side_network.head.weight")!.data;
  for (let i = 0; i < head.length; i += 997) assert.ok(Math.abs(found[i]! - head[i]!) < 1e-3);
  await using tagger = await Tagger.load(at("finished"));
  assert.equal(tagger.tags.length, 4);

  write({ weights: "finished", classifier: null, phases: [{ ...phase, rate: 0, steps: 1 }] });
  const on = await train(file, { out: at("on"), device: "cpu" });
  for (const [name, { data }] of read.weights) if (name.startsWith("visual_encoder.")) assert.ok((on.weights.get(name)!.data as Float32Array).every((v, i) => v === data[i]), name);
  write({ model: { ...sizes, encoder: smallConfig.encoder }, weights: "finished", classifier: null });
  await assert.rejects(train(file, { out: at("narrow") }), { code: "wrong-weight", message: /has sizes .*"sideNetwork":true.*asks for/ });
});
