import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeSafetensors } from "../../src/checkpoint/write-safetensors.js";
import { configFromShapes } from "../../src/convert/config-from-shapes.js";
import { averagePrecision } from "../../src/eval/average-precision.js";
import { evaluate } from "../../src/graph/evaluate.js";
import { Params } from "../../src/graph/params.js";
import { input } from "../../src/graph/value.js";
import { embedRows, type RamConfig } from "../../src/model/config.js";
import { bankGraph, ramGraphs, ramPlus } from "../../src/model/ram-plus.js";
import { normal, seededRandom } from "../../src/tensor/random.js";
import { float32, type Tensor } from "../../src/tensor/tensor.js";
import { pretrainedRows, undecidedBy, withClassifierRows } from "../../src/train/classifier-rows.js";
import { finetune } from "../../src/train/finetune.js";
import { finishModel } from "../../src/train/finish-model.js";
import { weightsOfAll, weightsOfTags } from "../../src/train/label-rows.js";
import { initialWeights } from "../../src/train/initial-weights.js";
import { fitLinearProbe } from "../../src/train/linear-probe.js";
import { readModelStart, startFromModel } from "../../src/train/model-start.js";
import type { Classifier } from "../../src/train/read-classifier.js";
import { openTokenCache, writeTokenCache, type TokenCache } from "../../src/train/token-cache.js";
import { train } from "../../src/train/train.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { indexTags } from "../../src/vocab/tag-index.js";
import { smallConfig, writeSmallModel } from "../small-model.js";
import { temporaryFolder } from "../tiny-model-folder.js";
import { writeSyntheticRun } from "./synthetic-run.js";

const random = seededRandom(5, 12);
const noise = (shape: readonly number[]): Tensor<"float32"> => float32([...shape], Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => normal(random)));

const plain: RamConfig = { ...smallConfig, encoder: { kind: "mobilenet_v2", imageSize: 32, sideNetwork: true } };
const model: RamConfig = { ...plain, classifier: true };
const tagged = (en: string, wnid?: string | string[]) => ({ en, zh: en, threshold: 0.5, ...(wnid !== undefined && { wnid }) });
const index = indexTags([tagged("red", "n00000001"), tagged("green"), tagged("blue", ["n00000002", "n00000003"]), tagged("a"), tagged("b"), tagged("c")].map((tag, id) => ({ id, ...tag })));
const wnids = [null, "n00000001", "n00000002", "n00000003", "n00000009"];
const weight = noise([5, 1280]);
const classifier: Classifier = { encoder: new Map(), rows: new Map(), weight, bias: float32([5], [9, 1, 2, 4, 9]), wnids };

const row = (data: ArrayLike<number | bigint>, id: number): number[] => Array.from({ length: 1280 }, (_, i) => Number(data[id * 1280 + i]));
const close = (actual: readonly number[], expected: readonly number[]): void => actual.forEach((v, i) => assert.ok(Math.abs(v - expected[i]!) < 1e-6, `${i}: ${v}, expected ${expected[i]}`));

test("tags that stand for classes begin with the classifier's rows, those that labels name with what was fitted to these, each at its share", () => {
  const all = pretrainedRows(classifier, { index, named: new Set() });
  assert.deepEqual([...all.keys()].sort(), [0, 2]);
  close([...all.get(2)!.row], row(weight.data, 2).map((v, i) => (v + row(weight.data, 3)[i]!) / 2));
  assert.equal(all.get(2)!.bias, 3);
  const some = pretrainedRows(classifier, { index, named: new Set([2, 5]) });
  assert.deepEqual([...some.keys()], [0]);
  const given = initialWeights(plain, 1);
  const fitted = { ids: [2, 4, 5], lookedFor: new Set([1, 5]), rows: noise([3, 1280]).data, biases: Float32Array.of(-4, -5, -6) };
  const weights = withClassifierRows(given, model, some, fitted);
  const rows = weights.get("classifier.weight")!;
  assert.deepEqual(rows.shape, [6, 1280]);
  close(row(rows.data, 0), row(weight.data, 1).map((v) => 0.6 * v));
  close(row(rows.data, 2), row(fitted.rows, 0).map((v) => 0.06 * v));
  close(row(rows.data, 4), row(fitted.rows, 1).map((v) => 0.06 * v));
  close(row(rows.data, 5), row(fitted.rows, 2).map((v) => 0.6 * v));
  for (const id of [1, 3]) assert.ok(row(rows.data, id).every((v) => v === 0), `tag ${id}`);
  close([...(weights.get("similarity_bias")!.data as Float32Array)], [...given.get("similarity_bias")!.data].map((v, id) => v + ({ 0: 0.6, 2: -0.24, 4: -0.3, 5: -3.6 }[id] ?? 0)));
  for (const [name, tensor] of given) if (name !== "similarity_bias") assert.equal(weights.get(name), tensor, name);
});

test("tags that small photos show or lack have no larger share, whoever else was asked about them", () => {
  const shared = Int8Array.of(-1, 0, -1, -1);
  const photos = [shared, shared, Int8Array.of(-1, -1, 1, -1)].map((targets) => ({ targets }));
  assert.deepEqual([...undecidedBy(photos, new Set([0, 1, 2]))], [0]);
  assert.deepEqual([...undecidedBy([], new Set([0, 1, 2]))], [0, 1, 2]);
});

test("a linear probe learns what labels and proposals say, and nothing of tags of which they are silent", async () => {
  await using folder = await temporaryFolder();
  const [count, width] = [400, 12];
  // AdamW takes steps of one length along all of them.
  const directions = noise([2, width]).data.map(Math.sign);
  const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
  // Far from mean 0 and deviation 1; and a number that says nothing.
  const features = Array.from({ length: count }, () => noise([width]).data.map((v, i) => (i === 3 ? 7 : 5 + 0.1 * (i + 1) * v)));
  const plainly = (feature: Float32Array): Float32Array => feature.map((v, i) => (i === 3 ? 0 : (v - 5) / (0.1 * (i + 1))));
  const shows = features.map((feature) => [0, 1].map((tag) => dot(directions.subarray(tag * width, (tag + 1) * width), plainly(feature)) > 0.5));
  const file = join(folder.path, "features.f16");
  const tokens = Float32Array.from(features.flatMap((feature) => [...feature]));
  await writeTokenCache(file, "x", [1, width], (async function* () { yield { names: features.map((_, i) => String(i)), tokens }; })());
  await using cache = (await openTokenCache(file, "x"))!;
  // Of tag 1 nothing is labelled, it is proposed; of tag 2 nothing is said at all.
  const photos = features.map((_, i) => ({ name: String(i), targets: Int8Array.of(Number(shows[i]![0]), -1, -1), proposals: Float32Array.of(-1, shows[i]![1] ? 0.95 : 0.05, -1), read: async () => new Uint8Array() }));
  const nothing = new Float32Array(3);
  const seen: number[] = [];
  const fit = () => fitLinearProbe([0, 1, 2], { photos, silence: nothing, absence: Float32Array.of(1, 1, 1), cache, positions: Int32Array.from(photos, (_, i) => i) }, { steps: 150, seed: 3 }, { device: "cpu", onProgress: ({ step }) => seen.push(step) });
  const { rows, biases } = await fit();
  const logit = (tag: number, feature: Float32Array): number => dot(rows.subarray(tag * width, (tag + 1) * width), feature) + biases[tag]!;
  for (const tag of [0, 1]) {
    const ap = averagePrecision(features.map((feature) => logit(tag, feature)), shows.map((each) => each[tag]!));
    assert.ok(ap > 0.98, `tag ${tag}: ${ap}`);
  }
  assert.ok(rows.subarray(2 * width).every((v) => v === 0));
  assert.ok(Math.abs(biases[2]! + 4) < 1e-6);
  assert.deepEqual(seen, [50, 100, 150]);
  assert.deepEqual(await fit(), { rows, biases });
  const stopped = AbortSignal.abort(new Error("enough"));
  await assert.rejects(fitLinearProbe([0], { photos, silence: nothing, absence: nothing, cache, positions: new Int32Array(count) }, { steps: 10, seed: 3 }, { device: "cpu", signal: stopped }), /enough/);
});

test("a classifier's logits are added to those of the network's own tags; tags of banks are as without it", () => {
  assert.equal(embedRows(plain), 2);
  assert.equal(embedRows(model), 2 + 1280 / 16);
  const rows = noise([6, 1280]);
  const weights = new Map<string, Tensor>([...initialWeights(plain, 1), ["classifier.weight", rows]]);
  const image = noise([2, 3, 32, 32]);
  const logitsOf = (c: RamConfig): Float32Array => evaluate([ramPlus(input("image", "float32", [2, 3, 32, 32]), Params.root(), c)], new Map([...weights, ["image", image]]))[0]!.data as Float32Array;
  const embedsOf = (c: RamConfig): Tensor => evaluate([ramGraphs(Params.root(), c, 2).vision.image_embeds], new Map([...weights, ["pixel_values", image]]))[0]!;
  const [without, both] = [logitsOf(plain), logitsOf(model)];
  const embeds = embedsOf(model);
  assert.deepEqual(embeds.shape, [2, 82, 16]);
  // The feature is the side network's mean, the second half of the pooled token.
  for (let photo = 0; photo < 2; photo++) {
    const feature = (embeds.data as Float32Array).subarray(photo * 82 * 16 + 2 * 16, (photo + 1) * 82 * 16);
    for (let tag = 0; tag < 6; tag++) {
      const added = feature.reduce((sum, v, i) => sum + v * rows.data[tag * 1280 + i]!, 0);
      assert.ok(Math.abs(both[photo * 6 + tag]! - without[photo * 6 + tag]! - added) < 1e-4);
      assert.ok(Math.abs(added) > 1e-3);
    }
  }
  const bankLogits = (c: RamConfig): Float32Array => {
    const feeds = { image_embeds: embedsOf(c), label_embed: float32([1, 2, 16], Array.from({ length: 32 }, (_, i) => Math.sin(i))), label_mask: float32([1, 2], [0, 0]), label_bias: float32([1], [-3]) };
    return evaluate([bankGraph(Params.root(), c).logits], new Map([...weights, ...Object.entries(feeds)]))[0]!.data as Float32Array;
  };
  assert.deepEqual(bankLogits(model), bankLogits(plain));
  assert.throws(() => ramGraphs(Params.root(), { ...model, textWidth: 24 }), { code: "bad-model-config", message: /width divides 1280, received 24/ });
});

test("the head of some tags has their rows of the classifier, a new one none; afterwards the model's own rows are what they were", async () => {
  const rows = noise([6, 1280]);
  const own = new Map([...initialWeights(plain, 1), ["classifier.weight", rows] as const]);
  const some = await weightsOfTags(own, model, [2, 6], { cache: {} as TokenCache, positions: new Int32Array(), photos: [], seed: 1 });
  const began = some.get("classifier.weight") as Tensor<"float32">;
  assert.deepEqual(began.shape, [2, 1280]);
  assert.deepEqual(began.data.subarray(0, 1280), rows.data.subarray(2 * 1280, 3 * 1280));
  assert.ok(began.data.subarray(1280).every((v) => v === 0));
  const trained = new Map([...some].map(([name, tensor]) => [name, float32(tensor.shape, (tensor.data as Float32Array).map((v) => v + 1))]));
  const all = weightsOfAll(own, trained, model, new Set([1]), 7, [2, 6]);
  const after = all.get("classifier.weight") as Tensor<"float32">;
  assert.deepEqual(after.shape, [7, 1280]);
  assert.deepEqual(after.data.subarray(0, 6 * 1280), rows.data);
  assert.ok(after.data.subarray(6 * 1280).every((v) => v === 1));
  assert.deepEqual(all.get("label_embed")!.shape, [14, 16]);
  assert.deepEqual([...(all.get("similarity_bias")!.data as Float32Array)].map(Math.round), [-11, -11, -10, -11, -11, -11, -10]);
});

test("a model gets a classifier, trains it, is written, and is gone on from with another vocabulary and by fine-tuning", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  const file = await writeSyntheticRun(folder.path, 1);
  await writeSmallModel(at("model"));
  mkdirSync(at("classifier"));
  const encoder = [...initialWeights(smallConfig, 4)].filter(([name]) => name.startsWith("visual_encoder.")).map(([name, tensor]) => ({ name: name.slice("visual_encoder.".length), tensor }));
  await writeSafetensors(at("classifier/weights.safetensors"), [...encoder, { name: "classifier.weight", tensor: weight }, { name: "classifier.bias", tensor: classifier.bias }]);
  writeFileSync(at("classifier/classes.json"), JSON.stringify({ classes: wnids.map((wnid) => ({ wnid })) }));
  writeFileSync(at("vocabulary.json"), JSON.stringify([{ en: "red", zh: "红", wnid: "n00000001" }, { en: "green", zh: "绿" }, { en: "blue", zh: "蓝" }, { en: "other", zh: "其他", wnid: "n00000009" }]));
  const { modelType: _type, tags: _tags, encoder: _encoder, ...sizes } = model;
  const phase = { name: "rows", from: "pixels", steps: 2, batch: 4, drawnTags: 4, rate: 1e-3, weightDecay: 0, losses: { tagging: 1, retention: 0.05 }, rateScales: { "": 0, "classifier.": 1 } };
  const config = { ...(JSON.parse(readFileSync(file, "utf8")) as object), model: { ...sizes, encoder: smallConfig.encoder }, weights: "model", classifier: "classifier", proposer: "classifier", sources: [{ set: "set", proposals: true }], phases: [phase] };
  const write = (more: object): void => writeFileSync(file, JSON.stringify({ ...config, ...more }));

  write({ classifier: null });
  await assert.rejects(train(file, { out: at("none") }), { code: "bad-train-config", message: /model has no classifier of its own, and there is no classifier/ });

  write({ phases: [{ ...phase, rate: 0 }] });
  const begun = (await train(file, { out: at("begun"), device: "cpu" })).weights.get("classifier.weight")!.data as Float32Array;
  write({});
  const result = await train(file, { out: at("run"), device: "cpu" });
  const rows = result.weights.get("classifier.weight")!.data as Float32Array;
  const own = (data: Float32Array, id: number): Float32Array => data.slice(id * 1280, (id + 1) * 1280);
  const moved = own(rows, 1).map((v, i) => v - own(begun, 1)[i]!);
  assert.ok(own(begun, 1).some((v) => v !== 0), "what labels name is fitted");
  assert.ok(moved.some((v) => v !== 0) && moved.every((v) => Math.abs(v) < 0.01), "a decided tag's row trains");
  // A class of the classifier too, but labels name it.
  const red = own(weight.data, 1);
  assert.ok(Math.abs(red.reduce((sum, v, i) => sum + v * own(begun, 0)[i]!, 0)) < 0.1 * Math.hypot(...red) * Math.hypot(...own(begun, 0)), "not the classifier's row");
  close(row(begun, 3), row(weight.data, 4).map((v) => 0.6 * v));

  await finishModel(result, at("finished"));
  const finished = await readModelStart(at("finished"));
  assert.equal(finished.model.classifier, true);
  assert.ok(finished.weights.get("classifier.weight")!.data.every((v, i) => Math.abs(v - rows[i]!) < 2e-3));
  const shapes = new Map([...finished.weights].map(([name, { shape }]) => [name, shape]));
  assert.deepEqual(configFromShapes("x", shapes, { tags: 4, imageSize: 32, heads: 2 }), { ...finished.model });
  await using tagger = await Tagger.load(at("finished"));
  assert.equal(tagger.tags.length, 4);

  // By name, new tags without.
  const named = startFromModel({ ...finished.model, tags: 2 }, [{ id: 0, en: "new", zh: "", threshold: 0.5 }, { id: 1, en: "red", zh: "", threshold: 0.5 }], finished, 1).get("classifier.weight")!;
  assert.ok(own(named.data as Float32Array, 0).every((v) => v === 0));
  assert.deepEqual(own(named.data as Float32Array, 1), own(finished.weights.get("classifier.weight")!.data, 0));

  const tuned = await finetune(at("finished"), at("set"), { out: at("tuned"), device: "cpu", epochs: 2, heldOut: 0.3 });
  const after = await readModelStart(tuned.folder);
  assert.deepEqual(own(after.weights.get("classifier.weight")!.data, 3), own(finished.weights.get("classifier.weight")!.data, 3));
  assert.notDeepEqual(own(after.weights.get("classifier.weight")!.data, 0), own(finished.weights.get("classifier.weight")!.data, 0));
});
