import { fromBinary } from "@bufbuild/protobuf";
import { onnxDType } from "../graph/ops/elementwise.js";
import { allOps } from "../graph/ops/all.js";
import type { Dim } from "../graph/type.js";
import { input, Value, type Attribute, type Op } from "../graph/value.js";
import { RamplusError } from "../error.js";
import type { DType } from "../tensor/dtype.js";
import { elementCount } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { OnnxError } from "./onnx-error.js";
import { AttributeProto_AttributeType as AttributeType, ModelProtoSchema, type AttributeProto, type ModelProto, type NodeProto, type TensorProto, type ValueInfoProto } from "./onnx_pb.js";
import { decodeTensor, externalRange, tensorProtoType, type ExternalRange } from "./tensor-proto.js";

/** A graph read from an ONNX file. */
export interface OnnxGraph {
  readonly inputs: ReadonlyMap<string, Value>;
  readonly outputs: ReadonlyMap<string, Value>;
  /** Parameters: their tensors, or where these lie in the file beside. */
  readonly weights: ReadonlyMap<string, Tensor | ExternalRange>;
}

/** Most numbers of an attribute, axes of a shape among them: no tensor of this project has more than eight. */
const attributeLimit = 64;

const opsByName = new Map<string, Op>(allOps.map((op) => [`${op.domain ?? ""}:${op.name}`, op]));
const dtypeOf = new Map(Object.entries(onnxDType).map(([name, code]) => [code, name as DType]));

function attributeValue(proto: AttributeProto): Attribute {
  switch (proto.type) {
    case AttributeType.FLOAT:
      return proto.f;
    case AttributeType.INT:
      return Number(proto.i);
    case AttributeType.STRING:
      return new TextDecoder().decode(proto.s);
    case AttributeType.INTS:
      if (proto.ints.length > attributeLimit) throw new OnnxError("unsupported-operator", `attribute ${proto.name}: ${proto.ints.length} numbers; at most ${attributeLimit} are read`);
      return proto.ints.map(Number);
    default:
      throw new OnnxError("unsupported-operator", `attribute ${proto.name}: its type is not supported`);
  }
}

function inputValue(info: ValueInfoProto): Value {
  const type = info.type?.value;
  const dtype = type?.case === "tensorType" ? dtypeOf.get(type.value.elemType) : undefined;
  if (type?.case !== "tensorType" || dtype === undefined) throw new OnnxError("not-onnx", `input ${info.name}: not a tensor of a supported type`);
  const shape = (type.value.shape?.dim ?? []).map((dim): Dim => (dim.value.case === "dimParam" ? dim.value.value : Number(dim.value.value ?? 0)));
  return input(info.name, dtype, shape);
}

/** Reads back what `writeOnnx` and `encodeOnnx` write. Throws an OnnxError for anything else. */
export function readOnnx(bytes: Uint8Array): OnnxGraph {
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw new OnnxError("not-onnx", "not an ONNX file: the protobuf cannot be read", { cause });
  }
  const graph = model.graph;
  if (graph === undefined) throw new OnnxError("not-onnx", "not an ONNX file: it has no graph");
  const initializers = new Map<string, TensorProto>(graph.initializer.map((proto) => [proto.name, proto]));
  const inputs = new Map(graph.input.map((info) => [info.name, inputValue(info)]));
  const weights = new Map<string, Tensor | ExternalRange>();
  const values = new Map<string, Value>(inputs);
  const parameter = (name: string): Value => {
    const proto = initializers.get(name);
    if (proto === undefined) throw new OnnxError("not-onnx", `value ${name} is used before it is computed`);
    const value = Value.leaf(tensorProtoType(proto), { kind: "parameter", name });
    weights.set(name, externalRange(proto) ?? decodeTensor(proto, proto.rawData));
    values.set(name, value);
    return value;
  };
  for (const node of graph.node) {
    const [output] = node.output;
    if (output === undefined) throw new OnnxError("not-onnx", `operator ${node.opType} has no output`);
    values.set(output, readNode(node, initializers, (name) => values.get(name) ?? parameter(name)));
  }
  const outputs = new Map(
    graph.output.map((info) => {
      const value = values.get(info.name);
      if (value === undefined) throw new OnnxError("not-onnx", `output ${info.name} is not computed`);
      return [info.name, value];
    }),
  );
  return { inputs, outputs, weights };
}

function readNode(node: NodeProto, initializers: ReadonlyMap<string, TensorProto>, valueOf: (name: string) => Value): Value {
  const op = opsByName.get(`${node.domain}:${node.opType}`);
  if (op === undefined) throw new OnnxError("unsupported-operator", `operator ${node.opType}: not one of this project's`);
  const attributes: Record<string, Attribute> = Object.fromEntries(node.attribute.map((proto) => [proto.name, attributeValue(proto)]));
  const operands = Object.entries(op.operands ?? {});
  const own = node.input.length - operands.length;
  if (own < 1) throw new OnnxError("unsupported-operator", `${node.opType}: ${node.input.length} inputs are too few`);
  operands.forEach(([key, kind], i) => {
    const proto = initializers.get(node.input[own + i]!);
    if (proto === undefined) throw new OnnxError("unsupported-operator", `${node.opType}: its ${key} is not a constant`);
    if (elementCount(tensorProtoType(proto).shape) > attributeLimit) throw new OnnxError("unsupported-operator", `${node.opType}: its ${key} has more than ${attributeLimit} numbers`);
    const data = Array.from(decodeTensor(proto, proto.rawData).data as ArrayLike<number | bigint>, Number);
    attributes[key] = kind === "int64" ? data : data[0]!;
  });
  const inputs = node.input.slice(0, own).map(valueOf);
  try {
    return Value.of(op, inputs, attributes);
  } catch (cause) {
    // Type rules trust their caller with the number of inputs and the attributes that there are: one that misses them fails as it happens to.
    const problem = cause instanceof RamplusError ? cause.message : "its inputs or attributes are not those of the operator";
    throw new OnnxError("unsupported-operator", `${node.opType}: ${problem}`, { cause });
  }
}
