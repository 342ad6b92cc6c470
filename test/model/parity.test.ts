import assert from "node:assert/strict";
import { test } from "node:test";
import * as ort from "onnxruntime-node";
import { evaluate } from "../../src/graph/evaluate.js";
import { Params } from "../../src/graph/params.js";
import { input, type Value } from "../../src/graph/value.js";
import type { RamConfig } from "../../src/model/config.js";
import { mobileNetV2 } from "../../src/model/mobilenet-v2.js";
import { ramPlus } from "../../src/model/ram-plus.js";
import { encodeOnnx } from "../../src/onnx/write-onnx.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { readSafetensorsFixture } from "../read-safetensors.js";
import { shared, sharedMissing } from "../shared-data.js";
import { parityConfig } from "./parity-config.js";

async function runOnnx(outputs: Readonly<Record<string, Value>>, weights: ReadonlyMap<string, Tensor>, images: Tensor): Promise<ort.InferenceSession.OnnxValueMapType> {
  const bytes = await encodeOnnx(outputs, (name) => weights.get(name)!);
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const result = await session.run({ pixel_values: new ort.Tensor("float32", images.data as Float32Array, images.shape as number[]) });
  await session.release();
  return result;
}

const firstRows = (t: Tensor, rows: number): Tensor => ({ ...t, shape: [rows, ...t.shape.slice(1)], data: (t.data as Float32Array).slice(0, (t.data.length / t.shape[0]!) * rows) }) as Tensor;

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: number of elements`);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!));
  assert.ok(worst <= tolerance, `${what}: largest difference ${worst}, allowed ${tolerance}`);
}

for (const [name, file, tolerance] of [
  ["ram_plus_mini", "checkpoint.safetensors", 5e-5],
  ["ram_mini", "checkpoint.safetensors", 5e-5],
  ["vision_multi_names", "loaded.safetensors", 1e-4],
] as const) {
  test(`${name}: logits and every recorded intermediate equal the reference's`, { skip: sharedMissing(`parity/${name}`) }, async () => {
    const c: RamConfig = parityConfig(name);
    const weights = readSafetensorsFixture(shared(`parity/${name}/${file}`));
    const images = readSafetensorsFixture(shared(`parity/${name}/inputs.safetensors`)).get("images")!;
    const p = Params.root();
    const observed: Record<string, Value> = {};
    const image = input("pixel_values", "float32", ["batch", ...images.shape.slice(1)]);
    const logits = ramPlus(image, p, c, { observe: (stage, value) => (observed[stage] = value) });
    const expected = readSafetensorsFixture(shared(`parity/${name}/outputs.safetensors`));
    const full = await runOnnx({ logits }, weights, images);
    assertClose(full["logits"]!.data as Float32Array, expected.get("logits")!.data as Float32Array, tolerance, "logits");
    if (name === "vision_multi_names") return;
    const recorded = readSafetensorsFixture(shared(`parity/${name}/intermediates.safetensors`));
    const wanted = Object.fromEntries([...recorded.keys()].map((stage) => [stage, observed[stage] ?? assert.fail(`${stage} is not observed`)]));
    const stages = await runOnnx(wanted, weights, firstRows(images, 2));
    for (const [stage, tensor] of recorded) {
      const data = tensor.data as Float32Array;
      const largest = data.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
      assertClose(stages[stage]!.data as Float32Array, data, 2e-5 * largest, stage);
    }
    for (const key of p.list()) assert.deepEqual(weights.get(key.name)?.shape, key.shape, key.name);
    const [evaluated] = evaluate([logits], new Map([...weights, ["pixel_values", firstRows(images, 1)]]));
    assertClose(evaluated!.data as Float32Array, (expected.get("logits")!.data as Float32Array).slice(0, c.tags), tolerance, "logits by the operators' definitions");
  });
}

test("MobileNetV2 gives the recorded features at 224 and 128 pixels", { skip: sharedMissing("data/mobilenet-v2") }, async () => {
  const weights = readSafetensorsFixture(shared("data/mobilenet-v2/weights.safetensors"));
  const check = readSafetensorsFixture(shared("data/mobilenet-v2/check.safetensors"));
  const pixels = check.get("pixels")!;
  for (const [size, key] of [[224, "feature"], [128, "feature_128"]] as const) {
    const images = new Float32Array(4 * 3 * size * size);
    for (let b = 0; b < 4; b++)
      for (let ch = 0; ch < 3; ch++)
        for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) images[((b * 3 + ch) * size + y) * size + x] = Number(pixels.data[((b * 224 + y) * 224 + x) * 3 + ch]) / 127.5 - 1;
    const tokens = mobileNetV2(input("pixel_values", "float32", ["batch", 3, size, size]), Params.root(), { kind: "mobilenet_v2", imageSize: size });
    const result = (await runOnnx({ tokens }, weights, { dtype: "float32", shape: [4, 3, size, size], data: images }))["tokens"]!;
    const places = (size / 32) ** 2 + 1;
    const means = new Float32Array(4 * 1280);
    for (let b = 0; b < 4; b++) means.set((result.data as Float32Array).subarray(b * places * 1280, b * places * 1280 + 1280), b * 1280);
    assertClose(means, check.get(key)!.data as Float32Array, 1e-4, key);
  }
});
