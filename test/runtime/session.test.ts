import assert from "node:assert/strict";
import { test } from "node:test";
import { add, mul } from "../../src/graph/ops/elementwise.js";
import { matMul } from "../../src/graph/ops/matmul.js";
import { input, scalar } from "../../src/graph/value.js";
import { encodeOnnx } from "../../src/onnx/write-onnx.js";
import { openSession } from "../../src/runtime/session.js";
import { float32 } from "../../src/tensor/tensor.js";

const x = input("x", "float32", ["n", 2]);
const model = async (): Promise<{ bytes: Uint8Array }> => ({ bytes: await encodeOnnx({ y: add(mul(x, scalar(2)), scalar(1)), product: matMul(x, input("w", "float32", [2, 2])) }) });
const feeds = { x: float32([2, 2], [1, 2, 3, 4]), w: float32([2, 2], [1, 0, 0, 2]) };

for (const device of ["cpu", "wasm"] as const) {
  test(`${device}: runs, chooses outputs, names its inputs`, async () => {
    await using session = await openSession(await model(), { device });
    assert.equal(session.device, device);
    assert.deepEqual([...session.inputNames].sort(), ["w", "x"]);
    const { y, product } = await session.run(feeds);
    assert.deepEqual([...(y!.data as Float32Array)], [3, 5, 7, 9]);
    assert.deepEqual([...(product!.data as Float32Array)], [1, 4, 3, 8]);
    assert.deepEqual(Object.keys(await session.run(feeds, { fetches: ["y"] })), ["y"]);
  });

  test(`${device}: a loop keeps its state in the session`, async () => {
    const count = input("count", "float32", [2]);
    await using session = await openSession({ bytes: await encodeOnnx({ next: add(count, input("step", "float32", [2])), double: mul(count, scalar(2)) }) }, { device });
    const loop = await session.loop({ count: float32([2], [0, 10]) }, { next: "count" });
    const doubles = [];
    for (let i = 0; i < 3; i++) doubles.push([...((await loop.step({ step: float32([2], [1, 2]) }))["double"]!.data as Float32Array)]);
    assert.deepEqual(doubles, [[0, 20], [2, 24], [4, 28]]);
    assert.deepEqual([...((await loop.state())["count"]!.data as Float32Array)], [3, 16]);
  });
}

test("the event loop runs on while a session computes", async () => {
  const side = 700;
  const a = input("a", "float32", [side, side]);
  let y = a;
  for (let i = 0; i < 6; i++) y = mul(matMul(y, a), scalar(1e-3));
  await using session = await openSession({ bytes: await encodeOnnx({ y }) }, { threads: 1 });
  let turns = 0;
  let running = true;
  const count = (): void => {
    turns++;
    if (running) setImmediate(count);
  };
  setImmediate(count);
  await session.run({ a: float32([side, side], new Float32Array(side * side).fill(0.5)) });
  running = false;
  assert.ok(turns > 2, `${turns} turns`);
});

test("broken models, missing inputs and devices that are not there are coded errors", async () => {
  await assert.rejects(openSession({ bytes: Uint8Array.of(1, 2, 3) }), { code: "model-unusable" });
  await assert.rejects(openSession({ file: "/no/such/model.onnx" }), { code: "model-unusable" });
  await assert.rejects(openSession(await model(), { device: "coreml" }), { code: "device-unavailable" });
  await using session = await openSession(await model());
  await assert.rejects(session.run({ x: feeds.x }), { code: "run-failed" });
  assert.ok((await session.run(feeds))["y"]);
});

test("after dispose runs are refused", async () => {
  const session = await openSession(await model());
  await session.dispose();
  await session.dispose();
  await assert.rejects(session.run(feeds), { code: "session-closed" });
});
