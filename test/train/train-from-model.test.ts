import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { finishModel } from "../../src/train/finish-model.js";
import { readModelStart } from "../../src/train/model-start.js";
import { prepare } from "../../src/train/prepare-run.js";
import { train } from "../../src/train/train.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { smallConfig, writeSmallModel } from "../small-model.js";
import { temporaryFolder } from "../tiny-model-folder.js";
import { writeSyntheticRun } from "./synthetic-run.js";

const { modelType: _type, tags: _tags, ...sizes } = smallConfig;

/** A run on coloured squares that starts from a model folder. */
async function writeRun(folder: string, phases: readonly object[]): Promise<string> {
  const file = await writeSyntheticRun(folder, 1);
  await writeSmallModel(join(folder, "model"));
  const config = JSON.parse(readFileSync(file, "utf8")) as object;
  writeFileSync(file, JSON.stringify({ ...config, model: sizes, weights: "model", phases, logEvery: 20 }));
  return file;
}

const phase = { name: "head", from: "tokens", steps: 60, batch: 8, drawnTags: 4, rate: 1e-2, warmup: 2, weightDecay: 0, losses: { tagging: 1 } };

test("a model's head trains on tokens that are kept once; its encoder stays; the result is a model folder again", async () => {
  await using folder = await temporaryFolder();
  const file = await writeRun(folder.path, [phase]);
  const losses: number[] = [];
  const result = await train(file, { out: join(folder.path, "run"), device: "cpu", onProgress: ({ phase: name, losses: all }) => name === "head" && losses.push(all["loss"]!) });
  assert.ok(losses.at(-1)! < losses[0]! * 0.8, losses.join());
  const start = await readModelStart(join(folder.path, "model"));
  for (const [name, tensor] of start.weights) if (name.startsWith("visual_encoder.")) assert.deepEqual(result.weights.get(name)!.data, tensor.data, name);
  assert.notDeepEqual(result.weights.get("fc.weight")!.data, start.weights.get("fc.weight")!.data);
  await finishModel(result, join(folder.path, "finished"));
  await using tagger = await Tagger.load(join(folder.path, "finished"));
  assert.deepEqual(tagger.tags.map(({ en }) => en), ["red", "green", "blue", "colour"]);
});

test("a phase may train on pictures of another size than the model looks at; kept tokens are of the model's size", async () => {
  await using folder = await temporaryFolder();
  const whole = { ...phase, name: "whole", from: "pixels", steps: 2, batch: 4, rate: 1e-3 };
  const larger = { ...whole, name: "larger", imageSize: 2 * smallConfig.encoder.imageSize };
  const phases: string[] = [];
  const run = await train(await writeRun(folder.path, [larger, whole]), { out: join(folder.path, "run"), device: "cpu", onProgress: ({ phase: name }) => void phases.push(name) });
  assert.deepEqual(phases, ["larger", "whole"]);
  assert.equal(run.model.encoder.imageSize, smallConfig.encoder.imageSize);
  const wrong = await writeRun(folder.path, [{ ...phase, imageSize: 64 }]);
  await assert.rejects(train(wrong, { out: join(folder.path, "other") }), { code: "bad-train-config", message: /phase head has an imageSize of its own/ });
});

test("of a phase's tags alone labels count, and their descriptions alone train", async () => {
  await using folder = await temporaryFolder();
  const still = Object.fromEntries(["image_proj", "tagging_head", "reweight_scale", "wordvec_proj", "fc", "similarity_scale"].map((name) => [name, 0]));
  const own = { ...phase, steps: 20, drawnTags: 2, tags: ["Green", "colour"], rateScales: still };
  const run = await train(await writeRun(folder.path, [own]), { out: join(folder.path, "run"), device: "cpu" });
  const start = await train(await writeRun(folder.path, [{ ...own, steps: 1, rate: 0 }]), { out: join(folder.path, "start"), device: "cpu" });
  const width = smallConfig.descriptions * smallConfig.textWidth;
  // What has a row for each tag: the label table, and the similarity's bias.
  const changed = new Set<string>();
  for (const [name, { data }] of run.weights) for (const [i, value] of data.entries()) if (value !== start.weights.get(name)!.data[i]) changed.add(`${name} ${Math.floor(i / (name === "label_embed" ? width : 1))}`);
  assert.deepEqual([...changed], ["label_embed 1", "label_embed 3", "similarity_bias 1", "similarity_bias 3"]);
  for (const [tags, message] of [[["purple"], /phase head names "purple", which is no tag/], [["green", "GREEN"], /draws 2 tags of 1/]] as const) await assert.rejects(train(await writeRun(folder.path, [{ ...own, tags }]), { out: join(folder.path, "no") }), { code: "bad-train-config", message });
});

test("what tokens and distillation ask for is told before anything runs", async () => {
  await using folder = await temporaryFolder();
  const whole = { ...phase, name: "whole", from: "pixels", steps: 2, batch: 4, rate: 1e-3, losses: { tagging: 1, distillation: 1 } };
  const wrong = await writeRun(folder.path, [whole, phase]);
  await assert.rejects(train(wrong, { out: join(folder.path, "a") }), { code: "bad-train-config", message: /phase head trains on the start's tokens, after phase whole/ });
  const config = JSON.parse(readFileSync(wrong, "utf8")) as object;
  writeFileSync(wrong, JSON.stringify({ ...config, weights: null, phases: [phase] }));
  await assert.rejects(train(wrong, { out: join(folder.path, "b") }), { code: "bad-train-config", message: /needs a classifier or weights/ });
  writeFileSync(wrong, JSON.stringify({ ...config, phases: [whole] }));
  const losses: Readonly<Record<string, number>>[] = [];
  await train(wrong, { out: join(folder.path, "c"), device: "cpu", onProgress: ({ phase: name, losses: all }) => name === "whole" && losses.push(all) });
  assert.ok(losses[0]!["distillation"]! > 0 && losses[0]!["distillation"]! < 10, "held to the start's embedding of each photo");
});

test("a start between two, tags left out, repeated sources", async () => {
  await using folder = await temporaryFolder();
  const file = await writeRun(folder.path, [{ ...phase, steps: 20 }]);
  const config = JSON.parse(readFileSync(file, "utf8")) as { sources: readonly object[] };
  const trained = await train(file, { out: join(folder.path, "a"), device: "cpu" });
  const start = await train(write({ ...config, phases: [{ ...phase, steps: 1, rate: 0 }] }), { out: join(folder.path, "b"), device: "cpu" });
  const still = { ...phase, steps: 1, rate: 0, from: "pixels", losses: { tagging: 1, distillation: 1 } };
  const mixed = await train(write({ ...config, weights: "a/state.safetensors", blend: { with: "model", share: 0.25, shares: { visual_encoder: 0.1, "visual_encoder.blocks.3": 0.5 } }, teacher: "model", leaveOut: ["Red"], sources: config.sources.map((source) => ({ ...source, repeat: 3 })), phases: [still] }), { out: join(folder.path, "c"), device: "cpu" });
  for (const [name, { data }] of mixed.weights) {
    const [a, b] = [trained.weights.get(name)!.data as Float32Array, start.weights.get(name)!.data as Float32Array];
    const share = name.startsWith("visual_encoder.blocks.3.") ? 0.5 : name.startsWith("visual_encoder.") ? 0.1 : 0.25;
    for (let i = 0; i < a.length; i += 37) assert.ok(Math.abs(Number(data[i]) - ((1 - share) * a[i]! + share * b[i]!)) < 1e-6, name);
  }
  const rows = await train(write({ ...config, weights: "a/state.safetensors", blend: { with: "model", share: 0.25, tags: ["Green"] }, phases: [{ ...still, losses: { tagging: 1 } }] }), { out: join(folder.path, "d"), device: "cpu" });
  const width = smallConfig.descriptions * smallConfig.textWidth;
  for (const [name, block] of [["label_embed", width], ["similarity_bias", 1], ["fc.weight", Infinity]] as const) {
    const [a, b, mix] = [trained, start, rows].map(({ weights }) => weights.get(name)!.data as Float32Array) as [Float32Array, Float32Array, Float32Array];
    for (let i = 0; i < a.length; i++) assert.ok(Math.abs(mix[i]! - (block === Infinity || Math.floor(i / block) === 1 ? 0.75 * a[i]! + 0.25 * b[i]! : a[i]!)) < 1e-6, `${name} ${i}`);
  }
  await assert.rejects(train(write({ ...config, blend: { with: "model", share: 0.25, tags: ["purple"] } }), { out: join(folder.path, "e") }), { code: "bad-train-config", message: /blend names "purple"/ });
  assert.deepEqual(trained.decided.map((id) => trained.tags[id]!.en), ["red", "green", "blue", "colour"]);
  assert.deepEqual(mixed.decided.map((id) => mixed.tags[id]!.en), ["green", "blue", "colour"]);
  assert.deepEqual([trained, mixed].map(({ named, tags }) => named.map((id) => tags[id]!.en)), [["red", "green", "blue"], ["green", "blue"]]);
  assert.ok(mixed.heldOut.every(({ targets }) => targets[0] === -1 && targets[3] === 1));
  // Photos are kept out once, and computed once, however often they are seen.
  assert.deepEqual(mixed.heldOut.map(({ name }) => name), trained.heldOut.map(({ name }) => name));
  assert.equal((JSON.parse(readFileSync(join(folder.path, "c", "embeddings.f16.json"), "utf8")) as { names: string[] }).names.length, 24 - mixed.heldOut.length);

  function write(next: object): string {
    writeFileSync(file, JSON.stringify(next));
    return file;
  }
});

test("changes of labels do not bring back a tag that is left out", async () => {
  await using folder = await temporaryFolder();
  const file = await writeRun(folder.path, [{ ...phase, from: "pixels" }]);
  const config = JSON.parse(readFileSync(file, "utf8")) as object;
  writeFileSync(join(folder.path, "changes.json"), JSON.stringify([{ tag: "red", added: ["set/blue-2", "set/green-1"] }, { tag: "green", added: ["set/blue-5", "set/blue-8"] }]));
  writeFileSync(file, JSON.stringify({ ...config, heldOut: 0, changes: ["changes.json"], leaveOut: ["red"] }));
  const { photos, index } = await prepare(file, { out: join(folder.path, "run") });
  assert.ok(photos.every(({ targets }) => targets[index.byName("red")!.id] === -1));
  assert.deepEqual(photos.filter(({ name, targets }) => name.startsWith("set/blue-") && targets[index.byName("green")!.id] === 1).map(({ name }) => name).sort(), ["set/blue-5", "set/blue-8"]);
});
