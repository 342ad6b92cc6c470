import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readSafetensors } from "../../src/checkpoint/read-safetensors.js";
import { toFloat32 } from "../../src/checkpoint/to-float32.js";
import { writeSafetensors } from "../../src/checkpoint/write-safetensors.js";
import { describedEmbeddings } from "../../src/convert/described-embeddings.js";
import { TextEncoder } from "../../src/convert/text-encoder.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { readDescriptions } from "../../src/vocab/descriptions.js";
import { templateDescriptions } from "../../src/vocab/prompt-templates.js";
import { readSafetensorsFixture } from "../read-safetensors.js";
import { shared, sharedMissing } from "../shared-data.js";

const skip = sharedMissing("parity/clip_text_mini");
const mini = (name: string): string => shared(`parity/clip_text_mini/${name}`);
let folder = "";
let encoder: TextEncoder;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "ramplus-encoder-"));
  // Its own folder for temporary files: others' tests may run beside.
  process.env["TMPDIR"] = join(folder, "temporary");
  mkdirSync(process.env["TMPDIR"]);
  if (skip === false) encoder = await TextEncoder.load(mini("model-hf.safetensors"), { threads: 1 });
});
after(async () => {
  await encoder?.dispose();
  rmSync(folder, { recursive: true, force: true });
});

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: number of elements`);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!));
  assert.ok(worst <= tolerance, `${what}: largest difference ${worst}, allowed ${tolerance}`);
}

/** A folder as Hugging Face has it, around other weights. */
async function encoderFolder(name: string, change: (weights: Map<string, Tensor>) => void, config: unknown = { text_config: { num_attention_heads: 3 } }): Promise<string> {
  const own = join(folder, name);
  mkdirSync(own);
  const weights = await readSafetensors(mini("model-hf.safetensors"));
  change(weights);
  await writeSafetensors(join(own, "model.safetensors"), [...weights].map(([key, tensor]) => ({ name: key, tensor })));
  copyFileSync(mini("merges.txt"), join(own, "merges.txt"));
  if (config !== null) writeFileSync(join(own, "config.json"), typeof config === "string" ? config : JSON.stringify(config));
  return own;
}

test("texts in any order and number give the reference's unit vectors", { skip }, async () => {
  const texts = (JSON.parse(readFileSync(mini("texts.json"), "utf8")) as { text: string }[]).map(({ text }) => text);
  const expected = readSafetensorsFixture(mini("text_features.safetensors")).get("normalised")!.data as Float32Array;
  const progress: number[] = [];
  const rows = await encoder.encode(texts, { truncate: true, onProgress: (done) => progress.push(done) });
  assertClose(rows, expected, 5e-6, "normalised");
  assert.equal(progress.at(-1), 20);
  // More than one window, texts of all lengths mixed.
  const many = Array.from({ length: 1100 }, (_, i) => (i * 7) % 20);
  const repeated = await encoder.encode(many.map((i) => texts[i]!), { truncate: true });
  assertClose(repeated, many.flatMap((i) => [...expected.subarray(i * 32, (i + 1) * 32)]), 5e-6, "repeated");
  assert.deepEqual(await encoder.encode([], { truncate: true }), new Float32Array(0));
});

test("the class embeddings of RAM and the description embeddings of RAM++ equal the reference's", { skip }, async () => {
  const expected = readSafetensorsFixture(mini("openset_embeddings.safetensors"));
  const categories = JSON.parse(readFileSync(mini("openset_categories.json"), "utf8")) as { category: string; texts: string[] }[];
  const templates = templateDescriptions(categories.map(({ category }) => category));
  templates.forEach(({ texts }, i) => assert.deepEqual(texts, categories[i]!.texts));
  const classes = await describedEmbeddings(templates, encoder, { kind: "ram" });
  assert.deepEqual(classes.map(({ tag }) => tag), categories.map(({ category }) => category));
  assertClose(classes.flatMap(({ rows }) => [...rows]), expected.get("class_embedding")!.data as Float32Array, 5e-6, "class_embedding");

  const descriptions = await readDescriptions(mini("openset_llm_descriptions.json"));
  const described = await describedEmbeddings(descriptions, encoder, { kind: "ram_plus" });
  assertClose(described.flatMap(({ rows }) => [...rows]), expected.get("llm_embedding")!.data as Float32Array, 5e-6, "llm_embedding");
  const ragged = await describedEmbeddings(descriptions.map(({ tag, texts }, i) => ({ tag, texts: texts.slice(0, i + 1) })), encoder, { kind: "ram_plus" });
  assert.deepEqual(ragged.map(({ rows }) => rows.length / 32), [1, 2, 3]);
  ragged.forEach(({ rows }, i) => assertClose(rows, described[i]!.rows.slice(0, rows.length), 1e-6, "ragged"));
});

test("an encoder is the same in OpenAI's form, in Hugging Face's and in full precision; another weight or other heads make another", { skip }, async () => {
  await using openai = await TextEncoder.load(mini("model-openai.safetensors"), { threads: 1 });
  assert.equal(openai.id, encoder.id);
  assert.match(encoder.id, /^[0-9a-f]{64}$/);
  await using same = await TextEncoder.load(await encoderFolder("same", (weights) => weights.forEach((tensor, name) => weights.set(name, toFloat32(tensor)))), { threads: 1 });
  assert.equal(same.id, encoder.id);
  await using heads = await TextEncoder.load(await encoderFolder("heads", () => undefined, { num_attention_heads: 4 }), { threads: 1 });
  assert.notEqual(heads.id, encoder.id);
  const change = (weights: Map<string, Tensor>): void => void ((weights.get("text_model.final_layer_norm.bias")!.data as Float32Array)[0]! += 1);
  await using other = await TextEncoder.load(await encoderFolder("other", change), { threads: 1 });
  assert.notEqual(other.id, encoder.id);
});

test("what is no text encoder, or a damaged one, is an error that says what is wrong", { skip }, async () => {
  const load = (path: string) => TextEncoder.load(path, { threads: 1 });
  await assert.rejects(load(join(folder, "nowhere")), { code: "no-text-encoder", message: /no model\.safetensors/ });
  await assert.rejects(load(await encoderFolder("no-config", () => undefined, null)), { code: "unknown-architecture", message: /attention heads do not divide its width of 12/ });
  await assert.rejects(load(await encoderFolder("bad-config", () => undefined, "{")), { code: "unknown-architecture", message: /config\.json: is not JSON/ });
  await assert.rejects(load(await encoderFolder("act", () => undefined, { num_attention_heads: 3, hidden_act: "relu" })), { code: "unknown-architecture", message: /hidden_act "relu"/ });
  await assert.rejects(load(await encoderFolder("missing", (weights) => weights.delete("text_model.encoder.layers.1.mlp.fc2.bias"))), { code: "missing-tensor", message: /layers\.1\.mlp\.fc2\.bias/ });
  const unknown = await encoderFolder("unknown", (weights) => {
    weights.set("text_model.extra.weight", weights.get("logit_scale")!);
    weights.set("vision_model.class_embedding", weights.get("logit_scale")!);
  });
  await assert.rejects(load(unknown), { code: "unexpected-tensor", message: /^(?!.*vision_model).*text_model\.extra\.weight/s });
  await using broken = await load(await encoderFolder("nan", (weights) => (weights.get("text_model.final_layer_norm.bias")!.data as Float32Array).fill(NaN)));
  await assert.rejects(broken.encode(["a dog"], { truncate: true }), { code: "bad-weights" });
});

test("a text that may not be cut is refused by name; an aborted call stops; nothing is left in the temporary folder", { skip }, async () => {
  await assert.rejects(encoder.encode(["fine", "word ".repeat(80)], { truncate: false }), { code: "text-too-long", message: /text "word word.*has 82 tokens/ });
  const aborted = new AbortController();
  aborted.abort(new Error("stopped"));
  await assert.rejects(encoder.encode(["a"], { truncate: true, signal: aborted.signal }), /stopped/);
  await assert.rejects(TextEncoder.load(mini("model-hf.safetensors"), { signal: aborted.signal }), /stopped/);
  const during = new AbortController();
  const texts = Array.from({ length: 5000 }, (_, i) => `number ${i} `.repeat(12));
  await assert.rejects(encoder.encode(texts, { truncate: true, signal: during.signal, onProgress: () => during.abort(new Error("stopped")) }), /stopped/);
  if (process.platform !== "win32") assert.deepEqual(readdirSync(tmpdir()).filter((name) => name.startsWith("ramplus-")), []);
});
