import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { Params } from "../../src/graph/params.js";
import { input } from "../../src/graph/value.js";
import { ramPlus } from "../../src/model/ram-plus.js";
import { AttributeProto_AttributeType as AttributeType, AttributeProtoSchema, ModelProtoSchema, TensorProto_DataLocation as DataLocation, TensorProtoSchema, type ModelProto, type TensorProto } from "../../src/onnx/onnx_pb.js";
import { OnnxError } from "../../src/onnx/onnx-error.js";
import { outlineOnnx } from "../../src/onnx/outline-onnx.js";
import { readOnnx } from "../../src/onnx/read-onnx.js";
import { encodeOnnx } from "../../src/onnx/write-onnx.js";
import { elementCount } from "../../src/tensor/shape.js";
import { initialWeights } from "../../src/train/initial-weights.js";
import { smallConfig } from "../small-model.js";

const weights = initialWeights(smallConfig, 1);
const small = await encodeOnnx({ logits: ramPlus(input("pixel_values", "float32", ["batch", 3, 32, 32]), Params.root(), smallConfig) }, (name) => weights.get(name)!);

/** The small network's file with its protobuf changed. */
function changed(change: (model: ModelProto) => void): Uint8Array {
  const model = fromBinary(ModelProtoSchema, small);
  change(model);
  return toBinary(ModelProtoSchema, model);
}

/** An initializer of two floats whose bytes lie elsewhere. */
function outside(words: Readonly<Record<string, string>>): TensorProto {
  const tensor = create(TensorProtoSchema, { name: "w", dims: [2n], dataType: 1, dataLocation: DataLocation.EXTERNAL });
  tensor.externalData = Object.entries(words).map(([key, value]) => ({ $typeName: "onnx.StringStringEntryProto", key, value }));
  return tensor;
}
const reference = { location: "w.data", offset: "0", length: "8" };

/** A field of bytes, by hand. */
const field = (number: number, content: Uint8Array): Buffer => Buffer.concat([Buffer.of(...(number < 16 ? [number * 8 + 2] : [((number * 8 + 2) & 0x7f) | 0x80, number >> 4]), content.length), content]);

test("names, shapes and weights of a network are those that the full reader finds", () => {
  const { inputs, outputs, tensors } = outlineOnnx(small);
  const graph = readOnnx(small);
  assert.deepEqual(inputs, [{ name: "pixel_values", elementType: 1, shape: ["batch", 3, 32, 32] }]);
  assert.deepEqual(outputs, [{ name: "logits", elementType: 1, shape: ["batch", 6] }]);
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  for (const [name, weight] of graph.weights) {
    assert.ok("shape" in weight);
    assert.deepEqual(shapes.get(name), weight.shape);
  }
  for (const { elements, shape, outside: range } of tensors) assert.deepEqual([elements, range], [elementCount(shape), null]);
});

test("references to outside data are found among the initializers and in attributes of operators", () => {
  const found = outlineOnnx(
    changed((model) => {
      model.graph!.initializer.push(outside(reference));
      model.graph!.node[0]!.attribute.push(create(AttributeProtoSchema, { name: "value", type: AttributeType.TENSOR, t: outside({ ...reference, location: "../x" }) }));
    }),
  ).tensors.flatMap(({ outside: range }) => range ?? []);
  assert.deepEqual(found, [
    { location: "../x", offset: 0, length: 8 },
    { location: "w.data", offset: 0, length: 8 },
  ]);
});

for (const [what, tensor, message] of [
  ["an offset that is no number", outside({ ...reference, offset: "0x10" }), /offset "0x10"/],
  ["a negative offset", outside({ ...reference, offset: "-8" }), /offset "-8"/],
  ["an offset beyond all files", outside({ ...reference, offset: "9".repeat(20) }), /offset "9{20}"/],
  ["no length", outside({ location: "w.data", offset: "0" }), /length ""/],
  ["a word of which nothing is known", outside({ ...reference, prepacked_0: "x" }), /more than location, offset and length/],
  ["a place inside and outside", Object.assign(outside(reference), { rawData: new Uint8Array(8) }), /inside and outside/],
  ["a place that is said but not marked", Object.assign(outside(reference), { dataLocation: DataLocation.DEFAULT }), /inside and outside/],
  ["a length that is not the shape's", outside({ ...reference, length: "12" }), /needs 8 bytes, 12 are given/],
  ["a shape of 10^12 without values", create(TensorProtoSchema, { name: "w", dims: [10n ** 12n], dataType: 1 }), /needs 4000000000000 bytes, 0 are given/],
  ["a shape beyond all numbers", create(TensorProtoSchema, { name: "w", dims: [2n ** 40n, 2n ** 40n], dataType: 1 }), /impossible shape/],
  ["a negative shape", create(TensorProtoSchema, { name: "w", dims: [-1n], dataType: 1 }), /impossible shape/],
  ["a name of a megabyte", create(TensorProtoSchema, { name: "w".repeat(1e6), dims: [0n], dataType: 1 }), /a name of 1000000 bytes/],
  ["text as values", create(TensorProtoSchema, { name: "w", dims: [0n], dataType: 8 }), /element type 8/],
] as const) {
  test(`refused: ${what}`, () => {
    assert.throws(() => outlineOnnx(changed((model) => model.graph!.initializer.push(tensor))), { name: "OnnxError", message });
  });
}

test("a word of a reference that is said twice is refused, as readers differ in which they take", () => {
  const twice = outside(reference);
  twice.externalData.push({ $typeName: "onnx.StringStringEntryProto", key: "location", value: "/etc/passwd" } as TensorProto["externalData"][number]);
  assert.throws(() => outlineOnnx(changed((model) => model.graph!.initializer.push(twice))), { code: "external-data" });
});

for (const [what, bytes, message] of [
  ["functions", Buffer.concat([small, field(25, Buffer.of(10, 1, 65))]), /the file has a field 25/],
  ["training information", Buffer.concat([small, field(20, Buffer.alloc(0))]), /the file has a field 20/],
  ["a second graph", Buffer.concat([small, field(7, Buffer.alloc(0))]), /has its field 7 twice/],
  ["a graph that is a number", Buffer.of(7 * 8, 1), /has its field 7 in another form/],
  ["a group", Buffer.of(7 * 8 + 3), /in another form/],
  ["an impossible kind of field", Buffer.of(7 * 8 + 7), /in another form/],
  ["an unknown field of an impossible kind", Buffer.of(9 * 8 + 7), /has a field 9/],
  ["a length past the end", Buffer.of(7 * 8 + 2, 0xff, 0xff, 0xff, 0xff, 0x0f), /ends too early/],
  ["a number without end", Buffer.alloc(30, 0xff), /damaged number/],
  ["a graph within a graph", field(7, field(1, field(5, field(6, Buffer.alloc(0))))), /an attribute has a field 6/],
  ["sparse weights", field(7, field(15, Buffer.alloc(0))), /its graph has a field 15/],
  ["values in a field of their own", field(7, field(5, field(4, Buffer.alloc(4)))), /an initializer has a field 4/],
  ["no graph", Buffer.alloc(0), /no graph/],
  ["more initializers than any graph has", (() => { const one = Buffer.from([0x2a, 6, 0x08, 0, 0x10, 1, 0x42, 0]); const all = Buffer.concat(new Array<Buffer>(100_001).fill(one)); return Buffer.concat([Buffer.from([0x3a, (all.length & 0x7f) | 0x80, ((all.length >> 7) & 0x7f) | 0x80, all.length >> 14]), all]); })(), /more than 100000 initializers/],
  ["text", Buffer.from("version https://git-lfs.github.com/spec/v1\n"), /not an ONNX file/],
] as const) {
  test(`refused: ${what}`, () => assert.throws(() => outlineOnnx(bytes), (error: unknown) => error instanceof OnnxError && message.test(error.message)));
}

test("whatever the bytes, there is an outline or a coded error", () => {
  const either = (bytes: Uint8Array): void => {
    try {
      outlineOnnx(bytes);
    } catch (error) {
      assert.ok(error instanceof OnnxError, String(error));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), either), { seed: 11, numRuns: 500 });
  const damage = fc.tuple(fc.nat(small.length - 1), fc.nat(255), fc.nat(small.length));
  fc.assert(
    fc.property(damage, ([at, byte, end]) => {
      const bytes = small.slice(0, Math.max(end, at + 1));
      bytes[at] = byte;
      either(bytes);
    }),
    { seed: 12, numRuns: 200 },
  );
});
