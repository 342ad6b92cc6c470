import { createHash } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { basename } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { inputsOf } from "../graph/evaluate.js";
import { onnxDType } from "../graph/ops/elementwise.js";
import { topologicalOrder } from "../graph/traverse.js";
import type { ValueType } from "../graph/type.js";
import type { Attribute, Value } from "../graph/value.js";
import { verify } from "../graph/verify.js";
import { byteSize } from "../tensor/dtype.js";
import { elementCount, formatShape, sameShape, type Shape } from "../tensor/shape.js";
import { int64, tensor, type Tensor } from "../tensor/tensor.js";
import { OnnxError } from "./onnx-error.js";
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type GraphProto,
  type ValueInfoProto,
} from "./onnx_pb.js";
import { encodeTensor, tensorBytes, type ExternalRange } from "./tensor-proto.js";

/** Weights that lie in the files of graphs already written: where, by a sha256 of type, shape and values. */
export type WrittenWeights = Map<string, ExternalRange>;

/** Gives the values of a parameter by name. */
export type Weights = (name: string) => Tensor | Promise<Tensor>;

/** Operator set 20 is the first with Gelu; IR version 9 goes with it. */
const operatorSet = 20n;
const irVersion = 9n;
const floatAttributes: ReadonlySet<string> = new Set(["alpha", "epsilon"]);
/** Weights smaller than this stay inside the graph's own file. */
const inlineBytes = 1024;

function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === "string") return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) });
  if (typeof value !== "number") return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
  return floatAttributes.has(name)
    ? create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value })
    : create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
}

function valueInfo(name: string, type: ValueType): ValueInfoProto {
  const dim = type.shape.map((size) => ({ value: typeof size === "number" ? ({ case: "dimValue", value: BigInt(size) } as const) : ({ case: "dimParam", value: size } as const) }));
  return create(ValueInfoProtoSchema, { name, type: { value: { case: "tensorType", value: { elemType: onnxDType[type.dtype], shape: { dim } } } } });
}

function operandTensor(value: Attribute, kind: "int64" | "input", like: Value): Tensor {
  if (kind === "int64") return int64([(value as readonly number[]).length], value as readonly number[]);
  return like.dtype === "float64" ? tensor("float64", [], Float64Array.of(value as number)) : tensor("float32", [], Float32Array.of(value as number));
}

/** Where the encoder puts weights: inside, or in the file beside. */
type Place = (name: string, weight: Tensor) => Promise<Uint8Array | ExternalRange>;

async function encodeGraph(name: string, outputs: Readonly<Record<string, Value>>, weights: Weights, place: Place): Promise<GraphProto> {
  verify(outputs);
  const graph = create(GraphProtoSchema, { name });
  const values = Object.values(outputs);
  for (const [inputName, value] of inputsOf(values)) graph.input.push(valueInfo(inputName, value.type));
  const names = new Map<Value, string>();
  const leafNames = new Map<string, string>();
  const reserved = new Map<Value, string>();
  for (const [outputName, value] of Object.entries(outputs)) if (value.op !== null && !reserved.has(value)) reserved.set(value, outputName);
  let constants = 0;
  const addConstant = async (content: Tensor): Promise<string> => {
    const constantName = `constant_${constants++}`;
    graph.initializer.push(encodeTensor(constantName, content, await place(constantName, content)));
    return constantName;
  };
  const operands = new Map<string, string>();
  const operandName = async (content: Tensor): Promise<string> => {
    const key = `${content.dtype}:${[...content.data].join()}`;
    const known = operands.get(key) ?? (await addConstant(content));
    operands.set(key, known);
    return known;
  };
  let nodes = 0;
  for (const value of topologicalOrder(values)) {
    if (value.op === null) {
      const source = value.source!;
      if (source.kind === "constant") {
        names.set(value, await addConstant(source.tensor));
      } else {
        names.set(value, source.name);
        if (source.kind === "parameter" && !leafNames.has(source.name)) {
          const weight = await weights(source.name);
          if (weight.dtype !== value.dtype || !sameShape(weight.shape, value.shape as Shape)) {
            throw new OnnxError("wrong-weight", `weight ${source.name}: expected ${value.dtype}${formatShape(value.shape)}, received ${weight.dtype}${formatShape(weight.shape)}`);
          }
          graph.initializer.push(encodeTensor(source.name, weight, await place(source.name, weight)));
        }
        leafNames.set(source.name, source.name);
      }
      continue;
    }
    const { op } = value;
    const input = value.inputs.map((x) => names.get(x)!);
    const own = new Set(Object.keys(op.operands ?? {}));
    for (const [key, kind] of Object.entries(op.operands ?? {})) input.push(await operandName(operandTensor(value.attributes[key]!, kind, value.inputs[0]!)));
    const attribute = Object.entries(value.attributes).flatMap(([key, content]) => (own.has(key) ? [] : [attributeProto(key, content)]));
    const output = reserved.get(value) ?? `${op.name}_${nodes}`;
    names.set(value, output);
    graph.node.push(create(NodeProtoSchema, { name: `${op.name}_${nodes++}`, opType: op.name, domain: op.domain ?? "", input, output: [output], attribute }));
  }
  for (const [outputName, value] of Object.entries(outputs)) {
    if (names.get(value) !== outputName) graph.node.push(create(NodeProtoSchema, { name: `Identity_${nodes++}`, opType: "Identity", input: [names.get(value)!], output: [outputName] }));
    graph.output.push(valueInfo(outputName, value.type));
  }
  return graph;
}

function encodeModel(graph: GraphProto): Uint8Array {
  const model = create(ModelProtoSchema, {
    irVersion,
    producerName: "ramplus",
    graph,
    opsetImport: [
      { domain: "", version: operatorSet },
      { domain: "com.microsoft", version: 1n },
    ],
  });
  return toBinary(ModelProtoSchema, model);
}

const noWeights: Weights = (name) => {
  throw new OnnxError("missing-weight", `parameter ${name} has no values`);
};

/** The graph that computes `outputs` as one ONNX file with all weights inside (at most 2 GB). Throws an OnnxError for missing or misshapen weights. */
export async function encodeOnnx(outputs: Readonly<Record<string, Value>>, weights: Weights = noWeights, name = "ramplus"): Promise<Uint8Array> {
  return encodeModel(await encodeGraph(name, outputs, weights, async (_name, weight) => tensorBytes(weight)));
}

/**
 * Writes the graph that computes `outputs` to `file` and its larger weights to `file.data`, one weight in memory at a time.
 * Both are written beside and renamed. Weights that are in `written`, those of other graphs in the same folder, are referred to
 * there, and the others are added to it. Throws an OnnxError for missing or misshapen weights.
 */
export async function writeOnnx(file: string, outputs: Readonly<Record<string, Value>>, weights: Weights, written?: WrittenWeights): Promise<void> {
  const dataFile = `${file}.data`;
  const temporary = [`${file}.part`, `${dataFile}.part`] as const;
  let handle: FileHandle | null = null;
  try {
    handle = await open(temporary[1], "w");
    let end = 0;
    const graph = await encodeGraph("ramplus", outputs, weights, async (_name, weight) => {
      const bytes = tensorBytes(weight);
      if (bytes.byteLength < inlineBytes) return bytes;
      const digest = written && createHash("sha256").update(`${weight.dtype}${formatShape(weight.shape)}`).update(bytes).digest("hex");
      const known = digest === undefined ? undefined : written!.get(digest);
      if (known !== undefined) return known;
      // ONNX Runtime maps large weights from the file, which needs page-aligned offsets.
      const alignment = elementCount(weight.shape) * byteSize(weight.dtype) >= 1 << 20 ? 4096 : 64;
      const offset = Math.ceil(end / alignment) * alignment;
      for (let done = 0; done < bytes.byteLength; ) {
        done += (await handle!.write(bytes, done, Math.min(bytes.byteLength - done, 1 << 28), offset + done)).bytesWritten;
      }
      end = offset + bytes.byteLength;
      const range = { location: basename(dataFile), offset, length: bytes.byteLength };
      if (digest !== undefined) written!.set(digest, range);
      return range;
    });
    await handle.sync();
    await handle.close();
    const nothingBeside = end === 0;
    handle = await open(temporary[0], "w");
    await handle.writeFile(encodeModel(graph));
    await handle.sync();
    await handle.close();
    handle = null;
    if (nothingBeside) await rm(dataFile, { force: true });
    else await rename(temporary[1], dataFile);
    await rename(temporary[0], file);
  } finally {
    await handle?.close().catch(() => undefined);
    await Promise.all(temporary.map((path) => rm(path, { force: true })));
  }
}
