import { readFileSync } from "node:fs";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { allOps } from "../../src/graph/ops/all.js";
import { add, relu } from "../../src/graph/ops/elementwise.js";
import { matMul } from "../../src/graph/ops/matmul.js";
import { reduceMean } from "../../src/graph/ops/reduce.js";
import { reshape, slice, transpose } from "../../src/graph/ops/structure.js";
import { constant, input } from "../../src/graph/value.js";
import { AttributeProto_AttributeType as AttributeType, AttributeProtoSchema, GraphProtoSchema, ModelProtoSchema, NodeProtoSchema, TensorProtoSchema, ValueInfoProtoSchema, type NodeProto, type TensorProto, type ValueInfoProto } from "../../src/onnx/onnx_pb.js";
import { readOnnx } from "../../src/onnx/read-onnx.js";
import { encodeOnnx } from "../../src/onnx/write-onnx.js";
import { float32 } from "../../src/tensor/tensor.js";
import { edges } from "./damage.js";
import type { FuzzPart, NamedInput } from "./part.js";

const names = ["x", "y", "w", "s", "n0", "n1", "n2", ""] as const;
const name = fc.constantFrom(...names);
const int64 = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0n, 1n, 2n, 3n, -1n) }, { weight: 1, arbitrary: fc.constantFrom(...edges).map((edge) => BigInt.asIntN(64, edge)) });

const attribute = fc
  .record({ name: fc.constantFrom("perm", "axis", "to", "alpha", "epsilon", "transA", "group", "strides", "pads", "dilations", "keepdims", "kernel_shape", "__proto__"), type: fc.constantFrom(AttributeType.INT, AttributeType.INTS, AttributeType.FLOAT, AttributeType.STRING, 4, 99), i: int64, ints: fc.array(int64, { maxLength: 4 }), f: fc.constantFrom(0, 1, NaN, Infinity) })
  .map((value) => create(AttributeProtoSchema, value as Parameters<typeof create<typeof AttributeProtoSchema>>[1]));

const node: fc.Arbitrary<NodeProto> = fc
  .record({ opType: fc.constantFrom(...allOps.map((op) => op.name), "If", "constructor"), domain: fc.constantFrom("", "", "", "com.microsoft"), input: fc.array(name, { maxLength: 5 }), output: fc.array(name, { maxLength: 2 }), attribute: fc.array(attribute, { maxLength: 4 }) })
  .map((value) => create(NodeProtoSchema, value));

const initializer: fc.Arbitrary<TensorProto> = fc
  .record({ name, dims: fc.array(int64, { maxLength: 4 }), dataType: fc.constantFrom(1, 7, 7, 10, 16, 0, 8, 99), rawData: fc.constantFrom(0, 4, 8, 16, 24, 64).map((length) => new Uint8Array(length).fill(1)), dataLocation: fc.constantFrom(0, 0, 0, 1) })
  .map((value) => create(TensorProtoSchema, value));

const valueInfo: fc.Arbitrary<ValueInfoProto> = fc
  .record({ name, elemType: fc.constantFrom(1, 7, 10, 0, 99), dims: fc.array(fc.oneof(int64, fc.constantFrom("batch", "2*batch", "*", "NaN*a*b", "")), { maxLength: 4 }) })
  .map(({ name: of, elemType, dims }) =>
    create(ValueInfoProtoSchema, { name: of, type: { value: { case: "tensorType", value: { elemType, shape: { dim: dims.map((dim) => ({ value: typeof dim === "string" ? ({ case: "dimParam", value: dim } as const) : ({ case: "dimValue", value: dim } as const) })) } } } } }),
  );

const model = (nodes: readonly NodeProto[], initializers: readonly TensorProto[], inputs: readonly ValueInfoProto[], outputs: readonly ValueInfoProto[]): Uint8Array =>
  toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 9n, graph: create(GraphProtoSchema, { node: [...nodes], initializer: [...initializers], input: [...inputs], output: [...outputs] }) }));

const anyModel = fc.tuple(fc.array(node, { maxLength: 5 }), fc.array(initializer, { maxLength: 3 }), fc.array(valueInfo, { maxLength: 2 }), fc.array(valueInfo, { maxLength: 1 })).map((parts) => model(...parts));

async function sound(): Promise<Uint8Array> {
  const x = input("x", "float32", ["batch", 3, 4, 4]);
  const rows = reduceMean(slice(transpose(x, [0, 2, 3, 1]), 1, 0, 2), [1, 2]);
  return encodeOnnx({ y: relu(add(matMul(reshape(rows, ["batch", 3]), constant(float32([3, 2], [1, 2, 3, 4, 5, 6]))), constant(float32([2], [0, 1])))) });
}

/** Wire form of a message within a message, `depth` times: a field of length-delimited type 2, number `field`. */
function nested(field: number, depth: number): Uint8Array {
  let bytes = Buffer.alloc(0);
  for (let i = 0; i < depth; i++) {
    const length: number[] = [];
    for (let rest = bytes.length; ; rest >>>= 7) {
      length.push((rest & 127) | (rest > 127 ? 128 : 0));
      if (rest <= 127) break;
    }
    bytes = Buffer.concat([Buffer.from([(field << 3) | 2, ...length]), bytes]);
  }
  return bytes;
}

function onnxCases(): readonly NamedInput[] {
  const x = create(ValueInfoProtoSchema, { name: "x", type: { value: { case: "tensorType", value: { elemType: 1, shape: { dim: [] } } } } });
  const large = create(TensorProtoSchema, { name: "s", dataType: 7, dims: [2_000_000n], rawData: new Uint8Array(16_000_000).fill(1) });
  const huge = create(TensorProtoSchema, { name: "s", dataType: 1, dims: [2n ** 40n], rawData: new Uint8Array(4) });
  const reshapes = Array.from({ length: 200 }, (_, i) => create(NodeProtoSchema, { opType: "Reshape", input: ["x", "s"], output: [`n${i}`] }));
  const chain = Array.from({ length: 100_000 }, (_, i) => create(NodeProtoSchema, { opType: "Relu", input: [i === 0 ? "x" : `n${i - 1}`], output: [`n${i}`] }));
  return [
    { what: "shapes of two million axes, 200 times", bytes: model(reshapes, [large], [x], []), ends: "unsupported-operator" },
    { what: "a tensor of 4 TB in four bytes", bytes: model([create(NodeProtoSchema, { opType: "Relu", input: ["s"], output: ["y"] })], [huge], [], []), ends: "not-onnx" },
    { what: "a hundred thousand operators in a row", bytes: model(chain, [], [x], []), ends: "read" },
    { what: "an operator without inputs", bytes: model([create(NodeProtoSchema, { opType: "MatMul", output: ["y"] })], [], [], []), ends: "unsupported-operator" },
    { what: "an operator that makes nothing", bytes: model([create(NodeProtoSchema, { opType: "Relu", input: ["x"] })], [], [x], []), ends: "not-onnx" },
    { what: "messages nested 20,000 deep", bytes: nested(7, 20_000) },
    { what: "an attribute of a million numbers", bytes: model([create(NodeProtoSchema, { opType: "Transpose", input: ["x"], output: ["y"], attribute: [create(AttributeProtoSchema, { name: "perm", type: AttributeType.INTS, ints: new Array<bigint>(1_000_000).fill(0n) })] })], [], [x], []) },
    { what: "a length of 4 GB", bytes: Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]), ends: "not-onnx" },
    { what: "an empty file", bytes: Buffer.alloc(0), ends: "not-onnx" },
  ];
}

/** The reader of ONNX files. */
export const onnxPart: FuzzPart = {
  name: "onnx",
  fileName: "model.onnx",
  peak: 700,
  runs: 500,
  named: onnxCases,
  originals: async () => [{ what: "a small graph", bytes: await sound() }],
  structured: () => anyModel,
  read: (file) => {
    readOnnx(readFileSync(file));
    return Promise.resolve();
  },
};
