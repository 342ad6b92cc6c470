import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as ort from "onnxruntime-node";
import { withClipNames } from "../../src/checkpoint/clip-names.js";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.js";
import { toFloat32 } from "../../src/checkpoint/to-float32.js";
import { clipTextConfig } from "../../src/convert/clip-text-config.js";
import { evaluate } from "../../src/graph/evaluate.js";
import { Params } from "../../src/graph/params.js";
import type { Value } from "../../src/graph/value.js";
import { clipTextGraph } from "../../src/model/clip-text.js";
import { encodeOnnx } from "../../src/onnx/write-onnx.js";
import { int64, type Tensor } from "../../src/tensor/tensor.js";
import { readSafetensorsFixture } from "../read-safetensors.js";
import { shared, sharedMissing } from "../shared-data.js";

const mini = (name: string): string => shared(`parity/clip_text_mini/${name}`);
const skip = sharedMissing("parity/clip_text_mini");
const counted = (length: number): Tensor => int64([length], Array.from({ length }, (_, i) => i));

async function build(file: string): Promise<{ output: Value; observed: Record<string, Value>; weights: Map<string, Tensor>; p: Params }> {
  await using opened = await openCheckpoint(mini(file));
  const checkpoint = withClipNames(opened);
  const config = clipTextConfig(file, new Map([...checkpoint.tensors].map(([name, { shape }]) => [name, shape])), JSON.parse(readFileSync(mini("config.json"), "utf8")));
  const observed: Record<string, Value> = {};
  const p = Params.root();
  const output = clipTextGraph(p, config, { observe: (stage, value) => (observed[stage] = value) }).text_embeds;
  const weights = new Map<string, Tensor>();
  for (const { name, shape } of p.list()) {
    const tensor = toFloat32(await checkpoint.tensors.get(name)!.read());
    assert.deepEqual(tensor.shape, shape, name);
    weights.set(name, tensor);
  }
  return { output, observed, weights, p };
}

async function runOnnx(outputs: Readonly<Record<string, Value>>, weights: ReadonlyMap<string, Tensor>, ids: Tensor): Promise<Record<string, ort.Tensor>> {
  const session = await ort.InferenceSession.create(await encodeOnnx(outputs, (name) => weights.get(name)!), { logSeverityLevel: 3 });
  const length = ids.shape[1]!;
  const feeds = { input_ids: new ort.Tensor("int64", ids.data as BigInt64Array, [...ids.shape]), position_ids: new ort.Tensor("int64", counted(length).data as BigInt64Array, [length]) };
  // A feed that no output needs is none of the session's inputs.
  const result = await session.run(Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputNames.includes(name))));
  await session.release();
  return result;
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: number of elements`);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!));
  assert.ok(worst <= tolerance, `${what}: largest difference ${worst}, allowed ${tolerance}`);
}

function firstColumns(ids: Tensor, rows: readonly number[], length: number): Tensor {
  const all = ids.data as BigInt64Array;
  return int64([rows.length, length], rows.flatMap((row) => Array.from(all.subarray(row * 77, row * 77 + length), Number)));
}

for (const file of ["model-hf.safetensors", "model-openai.safetensors"]) {
  test(`${file}: CLIP text features and every recorded intermediate equal the reference's`, { skip }, async () => {
    const { output, observed, weights } = await build(file);
    const expected = readSafetensorsFixture(mini("text_features.safetensors"));
    const ids = expected.get("token_ids")!;
    const raw = expected.get("raw")!.data as Float32Array;
    assertClose((await runOnnx({ output }, weights, ids))["output"]!.data as Float32Array, raw, 5e-5, "raw");

    const recorded = readSafetensorsFixture(mini("intermediates.safetensors"));
    const wanted = Object.fromEntries([...recorded.keys()].map((stage) => [stage, observed[stage] ?? assert.fail(`${stage} is not observed`)]));
    const stages = await runOnnx(wanted, weights, firstColumns(ids, [0, 1], 77));
    for (const [stage, { data }] of recorded) {
      const largest = (data as Float32Array).reduce((m, v) => Math.max(m, Math.abs(v)), 0);
      assertClose(stages[stage]!.data as Float32Array, data as Float32Array, 2e-5 * largest, stage);
    }

    const [evaluated] = evaluate([output], new Map([...weights, ["input_ids", firstColumns(ids, [0, 1], 77)], ["position_ids", counted(77)]]));
    assertClose(evaluated!.data as Float32Array, raw.slice(0, 64), 5e-5, "raw by the operators' definitions");
  });
}

test("a length that just holds the texts gives the features of the full length", { skip }, async () => {
  const { output, weights } = await build("model-hf.safetensors");
  const expected = readSafetensorsFixture(mini("text_features.safetensors"));
  const raw = expected.get("raw")!.data as Float32Array;
  const short = (await runOnnx({ output }, weights, firstColumns(expected.get("token_ids")!, [0, 1, 17], 9)))["output"]!.data as Float32Array;
  assertClose(short, [0, 1, 17].flatMap((row) => [...raw.subarray(row * 32, row * 32 + 32)]), 5e-5, "raw");
});

test("a second end token and what follows it change nothing", { skip }, async () => {
  const { output, weights } = await build("model-hf.safetensors");
  const texts = int64([2, 6], [49406, 320, 1125, 49407, 0, 0, 49406, 320, 1125, 49407, 1929, 49407]);
  const rows = (await runOnnx({ output }, weights, texts))["output"]!.data as Float32Array;
  assertClose(rows.slice(32), rows.slice(0, 32), 1e-6, "features");
});
