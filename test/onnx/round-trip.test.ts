import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { evaluate } from "../../src/graph/evaluate.js";
import { Params } from "../../src/graph/params.js";
import { input, type Value } from "../../src/graph/value.js";
import { ramPlus } from "../../src/model/ram-plus.js";
import { OnnxError } from "../../src/onnx/onnx-error.js";
import { ModelProtoSchema, NodeProtoSchema, TensorProtoSchema } from "../../src/onnx/onnx_pb.js";
import { readOnnx } from "../../src/onnx/read-onnx.js";
import { encodeOnnx, writeOnnx } from "../../src/onnx/write-onnx.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { initialWeights } from "../../src/train/initial-weights.js";
import { randomTensor, testRandom } from "../graph/random-tensor.js";
import { smallConfig } from "../small-model.js";

const weights = initialWeights(smallConfig, 1);
const network = (): Value => ramPlus(input("pixel_values", "float32", ["batch", 3, 32, 32]), Params.root(), smallConfig);

test("a network written and read back computes the same", async () => {
  const logits = network();
  const graph = readOnnx(await encodeOnnx({ logits }, (name) => weights.get(name)!));
  const image = randomTensor(testRandom(4), "float32", [2, 3, 32, 32]);
  const data = new Map<string, Tensor>([...(graph.weights as ReadonlyMap<string, Tensor>), ["pixel_values", image]]);
  const [again] = evaluate([graph.outputs.get("logits")!], data);
  const [first] = evaluate([logits], new Map<string, Tensor>([...weights, ["pixel_values", image]]));
  assert.deepEqual(again, first);
  assert.deepEqual(graph.inputs.get("pixel_values")!.shape, ["batch", 3, 32, 32]);
});

test("large weights lie in the file beside, which appears whole or not at all", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ramplus-onnx-"));
  try {
    const file = join(folder, "model.onnx");
    await writeOnnx(file, { logits: network() }, (name) => weights.get(name)!);
    const graph = readOnnx(readFileSync(file));
    const bytes = readFileSync(`${file}.data`);
    const range = graph.weights.get("image_proj.weight")!;
    assert.ok("location" in range);
    const expected = weights.get("image_proj.weight")!.data;
    assert.deepEqual(new Float32Array(bytes.buffer.slice(bytes.byteOffset + range.offset, bytes.byteOffset + range.offset + range.length)), expected);
    await assert.rejects(
      writeOnnx(join(folder, "broken.onnx"), { logits: network() }, (name) => {
        if (name === "fc.bias") throw new Error("disk full");
        return weights.get(name)!;
      }),
      /disk full/,
    );
    for (const name of ["broken.onnx", "broken.onnx.data", "broken.onnx.part", "broken.onnx.data.part"]) assert.ok(!existsSync(join(folder, name)), name);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a weight of another shape is refused by name", async () => {
  await assert.rejects(
    encodeOnnx({ logits: network() }, (name) => (name === "fc.bias" ? { dtype: "float32", shape: [2], data: new Float32Array(2) } : weights.get(name)!)),
    (error: unknown) => error instanceof OnnxError && /fc\.bias: expected float32\[1\], received float32\[2\]/.test(error.message),
  );
});

test("damaged files are errors with a code", async () => {
  const whole = await encodeOnnx({ logits: network() }, (name) => weights.get(name)!);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }), fc.nat(whole.length), (changes, cut) => {
      const bytes = whole.slice(0, cut % 2 === 0 ? whole.length : cut);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      try {
        readOnnx(bytes);
      } catch (error) {
        assert.ok(typeof (error as { code?: unknown }).code === "string", String((error as Error).stack));
      }
    }),
    { seed: 3, numRuns: 200 },
  );
});

test("operators with inputs or attributes that are not theirs are refused by name", () => {
  const model = (node: { opType: string; input?: string[]; output?: string[] }, dims: readonly bigint[] = [1n]): Uint8Array => {
    const initializer = create(TensorProtoSchema, { name: "s", dataType: 7, dims: [...dims], rawData: new Uint8Array(8 * Number(dims[0])) });
    return toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph: { node: [create(NodeProtoSchema, node)], initializer: [initializer] } }));
  };
  for (const [bytes, code, message] of [
    [model({ opType: "MatMul", output: ["y"] }), "unsupported-operator", /MatMul: 0 inputs are too few/],
    [model({ opType: "MatMul", input: ["s"], output: ["y"] }), "unsupported-operator", /MatMul: its inputs or attributes are not those/],
    [model({ opType: "Transpose", input: ["s"], output: ["y"] }), "unsupported-operator", /Transpose: its inputs or attributes are not those/],
    [model({ opType: "Reshape", input: ["s", "s"], output: ["y"] }, [65n]), "unsupported-operator", /Reshape: its shape has more than 64 numbers/],
    [model({ opType: "Relu", input: ["s"] }), "not-onnx", /Relu has no output/],
  ] as const) {
    assert.throws(() => readOnnx(bytes), (error: unknown) => error instanceof OnnxError && error.code === code && message.test(error.message));
  }
});
