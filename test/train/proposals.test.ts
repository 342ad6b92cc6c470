import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeSafetensors } from "../../src/checkpoint/write-safetensors.js";
import { evaluate } from "../../src/graph/evaluate.js";
import { input } from "../../src/graph/value.js";
import { encoderWidth } from "../../src/model/config.js";
import { drawTags } from "../../src/train/batches.js";
import { finishModel } from "../../src/train/finish-model.js";
import { initialWeights } from "../../src/train/initial-weights.js";
import { asymmetricLoss, taggingAsymmetry } from "../../src/train/losses.js";
import { prepare } from "../../src/train/prepare-run.js";
import { Params } from "../../src/graph/params.js";
import { classProbabilities } from "../../src/train/class-probabilities.js";
import { cropProposals } from "../../src/train/crop-proposals.js";
import { createProposer } from "../../src/train/proposals.js";
import { normal, seededRandom } from "../../src/tensor/random.js";
import { train } from "../../src/train/train.js";
import { float32, zeros, type Tensor } from "../../src/tensor/tensor.js";
import { indexTags } from "../../src/vocab/tag-index.js";
import { smallConfig, writeSmallModel } from "../small-model.js";
import { temporaryFolder } from "../tiny-model-folder.js";
import { writeSyntheticRun } from "./synthetic-run.js";

const names = [
  { en: "spaniel", wnid: "n00000001", parents: ["dog"] },
  { en: "poodle", wnid: "n00000002", parents: ["dog"] },
  { en: "dog", wnid: "n00000003" },
  { en: "bride", wnid: "n00000004", parents: ["person"] },
  { en: "person" },
  { en: "snow" },
];
const index = indexTags(names.map((tag, id) => ({ id, zh: tag.en, threshold: 0.5, ...tag })));

test("a class's tag is as likely as the classes that stand for it or imply it; one that is only implied where it is likely", () => {
  const { tags, propose } = createProposer([null, "n00000001", "n00000002", "n00000003", "n00000004", "n00000009"], index);
  assert.deepEqual(tags, [0, 1, 2, 3]);
  const close = (row: Float32Array, expected: readonly number[]): void => expected.forEach((value, id) => assert.ok(Math.abs(row[id]! - value) < 1e-6, `${names[id]!.en}: ${row[id]}`));
  close(propose(Float32Array.of(0.1, 0.3, 0.2, 0.1, 0.25, 0.05)), [0.3, 0.2, 0.6, 0.25, -1, -1]);
  close(propose(Float32Array.of(0, 0, 0, 0, 0.75, 0.25)), [0, 0, 0, 0.75, 0.75, -1]);
});

test("proposals are targets where labels are silent, and draw their tags, their absence with a weight of its own; what neither says has the weight of silence", () => {
  const unknown = -1;
  const photos = [{ name: "a", targets: Int8Array.of(0, unknown, unknown, unknown, unknown, 1), proposals: Float32Array.of(0.9, 0.25, 0.95, 0, -1, -1), read: async () => new Uint8Array() }];
  const said = { absence: Float32Array.of(1, 1, 1, 0.25, 1, 1), classes: new Set<number>() };
  const { tag_ids, targets, known } = drawTags({ ...said, photos, batch: 1, drawnTags: 6, decided: [0, 1, 2, 3, 5], undecided: [4], retain: true, asks: false, silence: Float32Array.of(0.5, 0, 0, 0, 0.25, 0), seed: 1 }, Int32Array.of(0), 0);
  const place = (id: number): number => (tag_ids!.data as BigInt64Array).indexOf(BigInt(id));
  assert.deepEqual([0, 1, 2, 3, 4, 5].map((id) => Number(targets!.data[place(id)]).toFixed(2)), ["0.00", "0.25", "0.95", "0.00", "0.00", "1.00"]);
  assert.deepEqual([0, 1, 2, 3, 4, 5].map((id) => Number(known!.data[place(id)])), [1, 1, 1, 0.25, 0.25, 1]);
  // The same presence, and its complement at a quarter.
  const likely = drawTags({ ...said, photos: [{ ...photos[0]!, proposals: Float32Array.of(0.9, 0.25, 0.95, 0.6, -1, -1) }], batch: 1, drawnTags: 6, decided: [0, 1, 2, 3, 5], undecided: [4], retain: true, asks: false, silence: new Float32Array(6), seed: 1 }, Int32Array.of(0), 0);
  const at = (likely.tag_ids!.data as BigInt64Array).indexOf(3n);
  const [target, weight] = [Number(likely.targets!.data[at]), Number(likely.known!.data[at])];
  assert.ok(Math.abs(target * weight - 0.6) < 1e-6 && Math.abs((1 - target) * weight - 0.1) < 1e-6, `${target}, ${weight}`);
  const first = drawTags({ ...said, photos, batch: 1, drawnTags: 4, decided: [0, 1, 2, 3, 5], undecided: [4], retain: false, asks: false, silence: new Float32Array(6), seed: 1 }, Int32Array.of(0), 0);
  assert.deepEqual([...(first.tag_ids!.data as BigInt64Array)].slice(0, 3).map(Number).sort(), [1, 2, 5]);
});

test("a probable target costs what is expected", () => {
  const [logits, targets] = [input("logits", "float64", [1, 5]), input("targets", "float64", [1, 5])];
  const loss = asymmetricLoss(logits, targets, { ...taggingAsymmetry, gammaPositive: 1 });
  const row = (v: readonly number[]): Tensor => ({ dtype: "float64", shape: [1, 5], data: Float64Array.from(v) });
  const of = (t: number): number => Number(evaluate([loss], new Map([["logits", row([-4, -1, 0.5, 2, 6])], ["targets", row(Array<number>(5).fill(t))]]))[0]!.data[0]);
  assert.ok(Math.abs(of(0.3) - (0.3 * of(1) + 0.7 * of(0))) < 1e-12);
});

const { modelType: _type, tags: _tags, ...sizes } = smallConfig;

/** Writes photos, a model and a classifier, which says the same whatever a photo shows: "red" 0.5, "fox" 0.3, "cat" and "owl" 0.1. */
async function writeClassifierRun(path: string): Promise<{ file: string; at: (name: string) => string }> {
  const file = await writeSyntheticRun(path, 1);
  await writeSmallModel(join(path, "model"));
  const at = (name: string): string => join(path, name);
  writeFileSync(at("vocabulary.json"), JSON.stringify([{ en: "red", zh: "红", wnid: "n00000001" }, { en: "green", zh: "绿" }, { en: "blue", zh: "蓝" }, { en: "fox", zh: "狐", wnid: "n00000002" }, { en: "cat", zh: "猫", wnid: "n00000003" }, { en: "owl", zh: "鸮", wnid: "n00000004" }]));
  mkdirSync(at("classifier"));
  const width = encoderWidth(sizes.encoder);
  const encoder = [...initialWeights({ ...smallConfig }, 1)].filter(([name]) => name.startsWith("visual_encoder."));
  const shares = [0.5, 0.3, 0.1, 0.1];
  await writeSafetensors(at("classifier/weights.safetensors"), [...encoder.map(([name, tensor]) => ({ name: name.replace("visual_encoder.", ""), tensor })), { name: "classifier.weight", tensor: zeros("float32", [4, width]) }, { name: "classifier.bias", tensor: float32([4], shares.map(Math.log)) }]);
  writeFileSync(at("classifier/classes.json"), JSON.stringify({ classes: ["n00000001", "n00000002", "n00000003", "n00000004"].map((wnid) => ({ wnid })) }));
  return { file, at };
}

test("a run asks its classifier about the photos whose labels are silent, once; not about tags that are left out", async () => {
  await using folder = await temporaryFolder();
  const { file, at } = await writeClassifierRun(folder.path);
  const config = JSON.parse(readFileSync(file, "utf8")) as object;
  const phase = { name: "head", from: "tokens", steps: 2, batch: 8, drawnTags: 6, rate: 1e-2, losses: { tagging: 1, retention: 0.1, classDistillation: 0.5 } };
  const write = (more: object): void => writeFileSync(file, JSON.stringify({ ...config, model: sizes, weights: "model", phases: [phase], sources: [{ set: "set", proposals: true, repeat: 2 }], ...more }));
  write({});
  await assert.rejects(train(file, { out: at("none"), device: "cpu" }), { code: "bad-train-config", message: /no proposer/ });
  write({ sources: [{ set: "set" }], phases: [{ ...phase, losses: { ...phase.losses, classDistillation: 1 } }] });
  await assert.rejects(train(file, { out: at("none"), device: "cpu" }), { code: "bad-train-config", message: /phase head.*classDistillation.*proposals/ });
  write({ proposer: "classifier", leaveOut: ["cat"] });
  let asked = 0;
  mkdirSync(at("run"));
  const options = { out: at("run"), device: "cpu" as const, onProgress: ({ phase: name }: { phase: string }) => void (name === "encoding photos" && asked++) };
  const { photos, proposed, cache } = await prepare(file, options);
  await cache![Symbol.asyncDispose]();
  assert.deepEqual(proposed, [0, 3, 5]);
  // The half precision of what is kept.
  for (const { proposals } of photos) [0.5, -1, -1, 0.3, -1, 0.1].forEach((share, id) => assert.ok(Math.abs(proposals![id]! - share) < 1e-3, `${id}: ${proposals![id]}`));
  const before = asked;
  const result = await train(file, options);
  assert.equal(asked, before);
  const logged = JSON.parse(readFileSync(at("run/log.jsonl"), "utf8").split("\n")[0]!) as Record<string, number>;
  // It cannot be less than the entropy of the targets: of the two classes that labels do not say, with square roots of 0.3 and 0.1.
  const share = Math.sqrt(0.3) / (Math.sqrt(0.3) + Math.sqrt(0.1));
  const entropy = -share * Math.log(share) - (1 - share) * Math.log(1 - share);
  assert.ok(logged["class_distillation"]! >= 0.5 * entropy - 1e-3 && logged["class_distillation"]! < 10, String(logged["class_distillation"]));
  // Of the held-out squares all are a fox with 0.3, which is not enough to fire.
  const finished = await finishModel(result, at("finished"), { report: at("thresholds.json") });
  assert.deepEqual(finished.map(({ en, by }) => `${en} ${by}`), ["red few", "green few", "blue few", "fox unknown", "cat unknown", "owl unknown"]);
  assert.deepEqual(JSON.parse(readFileSync(at("thresholds.json"), "utf8")), finished);
  const likely = result.heldOut.map((photo) => ({ ...photo, proposals: Float32Array.of(0.5, -1, -1, 0.9, -1, 0.9) }));
  const [fox] = (await finishModel({ ...result, heldOut: likely }, at("likely"))).filter(({ en }) => en === "fox");
  assert.equal(fox!.by, "proposals");
  assert.ok(Math.abs(fox!.precision! - 0.9) < 1e-6, String(fox!.precision));
  writeFileSync(at("classifier/classes.json"), JSON.stringify({ classes: [{ wnid: "n00000001" }] }));
  await assert.rejects(train(file, { out: at("wrong"), device: "cpu" }), { code: "bad-train-config", message: /a row for each of the 1 classes/ });
  writeFileSync(at("classifier/classes.json"), "{");
  await assert.rejects(train(file, { out: at("wrong"), device: "cpu" }), { code: "bad-train-config", message: /classes\.json: cannot be read/ });
});

test("a classifier that looks at the step's own crops proposes by the same rules", async () => {
  await using folder = await temporaryFolder();
  const { file, at } = await writeClassifierRun(folder.path);
  const config = JSON.parse(readFileSync(file, "utf8")) as object;
  const phase = { name: "whole", from: "pixels", steps: 2, batch: 8, drawnTags: 6, rate: 1e-2, silence: 0.25, losses: { tagging: 1, retention: 0.1, classDistillation: 0.5 } };
  const logged = async (more: object): Promise<Record<string, number>> => {
    writeFileSync(file, JSON.stringify({ ...config, model: sizes, weights: "model", proposer: "classifier", leaveOut: ["cat"], sources: [{ set: "set", proposals: true }], phases: [{ ...phase, ...more }], logEvery: 1 }));
    const out = at(`run-${Object.values(more).join("-")}`);
    const { weights } = await train(file, { out, device: "cpu" });
    assert.deepEqual([...weights.keys()].filter((name) => name.startsWith("proposer.")), []);
    return JSON.parse(readFileSync(join(out, "log.jsonl"), "utf8").split("\n")[0]!) as Record<string, number>;
  };
  const [kept, crops] = [await logged({ proposals: "kept" }), await logged({ proposals: "crops" })];
  // The half precision of what is kept.
  for (const name of ["loss", "tagging", "retention", "class_distillation", "gradient_norm"]) assert.ok(Math.abs(crops[name]! - kept[name]!) <= 2e-3 * Math.abs(kept[name]!), `${name}: ${crops[name]}, ${kept[name]} of whole photos`);
  await assert.rejects(logged({ from: "tokens", proposals: "crops" }), { code: "bad-train-config", message: /phase whole has the proposer look at crops/ });
});

test("within the step it proposes for each crop what it proposes of that picture", () => {
  const wnids = [null, "n00000001", "n00000002", "n00000003", "n00000004"];
  const proposer = createProposer(wnids, index);
  const [batch, tags] = [2, index.tags.length];
  const random = seededRandom(5, 1);
  const noise = (shape: readonly number[], scale: number): Tensor<"float32"> => float32(shape, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => scale * normal(random)));
  const model = { ...smallConfig, tags };
  const p = Params.root();
  const image = input("pixel_values", "float32", [batch, 3, 32, 32]);
  const [targets, known] = [input("targets", "float32", [batch, tags]), input("known", "float32", [batch, tags])];
  const own = classProbabilities(image, p.at("proposer"), model, wnids.length);
  const said = cropProposals(image, p, model, { classes: wnids.length, batch, tagIds: input("tag_ids", "int64", [tags]), targets, known });
  const width = encoderWidth(smallConfig.encoder);
  const encoder = [...initialWeights(smallConfig, 1)].filter(([name]) => name.startsWith("visual_encoder.")).map(([name, tensor]) => [`proposer.${name}`, tensor] as const);
  // The first photo shows nothing that labels name, of the second they say that it lacks a poodle.
  const labels = { targets: new Float32Array(batch * tags), known: Float32Array.from({ length: batch * tags }, (_, i) => (i === tags + 1 ? 1 : 0.1)) };
  const silent = Float32Array.from({ length: batch * tags }, (_, i) => Number(i !== tags + 1));
  const absence = [1, 1, 0.25, 1, 1, 1];
  const asked = silent.map((value, i) => value * Number(proposer.tags.includes(i % tags)));
  const feeds = new Map<string, Tensor>([...encoder, ["proposer.classifier.weight", noise([wnids.length, width], 0.1)], ["proposer.classifier.bias", float32([wnids.length], [-2, 0, 0, 0, 1])], ["proposer.tags", proposer.members], ["pixel_values", noise([batch, 3, 32, 32], 1)], ["tag_ids", { dtype: "int64", shape: [tags], data: BigInt64Array.from(index.tags, ({ id }) => BigInt(id)) }], ["targets", float32([batch, tags], labels.targets)], ["known", float32([batch, tags], labels.known)], ["silent", float32([batch, tags], silent)], ["asked", float32([batch, tags], asked)], ["absence", float32([tags], absence)]]);
  const [probabilities, ...outputs] = evaluate([own, said.targets, said.known, said.classTargets], feeds).map(({ data }) => data as Float32Array);
  const rows = Array.from({ length: batch }, (_, row) => probabilities!.subarray(row * wnids.length, (row + 1) * wnids.length));
  assert.ok(rows[0]!.some((value, i) => Math.abs(value - rows[1]![i]!) > 0.05), "it tells the two apart");
  rows.forEach((row, photo) => {
    const proposals = proposer.propose(row);
    const sum = proposer.tags.reduce((total, id) => total + asked[photo * tags + id]! * Math.sqrt(proposals[id]!), 0);
    proposals.forEach((proposed, id) => {
      const at = photo * tags + id;
      const spoken = proposed >= 0 && silent[at] === 1;
      const weight = spoken ? proposed + (1 - proposed) * absence[id]! : labels.known[at]!;
      const expected = [spoken ? proposed / weight : 0, weight, (asked[at]! * Math.sqrt(Math.max(proposed, 0))) / sum];
      outputs.forEach((values, which) => assert.ok(Math.abs(values[at]! - expected[which]!) < 1e-5, `photo ${photo}, ${names[id]!.en}, output ${which}: ${values[at]}, expected ${expected[which]}`));
    });
  });
});
