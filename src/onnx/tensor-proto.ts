import { create } from "@bufbuild/protobuf";
import { byteSize, viewAs, type DType } from "../tensor/dtype.js";
import { elementCount } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { onnxDType } from "../graph/ops/elementwise.js";
import { OnnxError } from "./onnx-error.js";
import { TensorProto_DataLocation, TensorProtoSchema, type TensorProto } from "./onnx_pb.js";

/** Where a tensor's bytes lie in the file beside the graph. */
export interface ExternalRange {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

const dtypeOf = new Map(Object.entries(onnxDType).map(([name, code]) => [code, name as DType]));

/** The tensor's bytes, little-endian as ONNX has them (so is every machine that Node runs on). */
export function tensorBytes(tensor: Tensor): Uint8Array {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
}

/** A tensor as an initializer, with its bytes inside or by reference. */
export function encodeTensor(name: string, tensor: Pick<Tensor, "dtype" | "shape">, content: Uint8Array | ExternalRange): TensorProto {
  const proto = create(TensorProtoSchema, { name, dims: tensor.shape.map(BigInt), dataType: onnxDType[tensor.dtype] });
  if (content instanceof Uint8Array) {
    proto.rawData = content;
  } else {
    proto.dataLocation = TensorProto_DataLocation.EXTERNAL;
    proto.externalData = (["location", "offset", "length"] as const).map((key) => ({ $typeName: "onnx.StringStringEntryProto", key, value: String(content[key]) }));
  }
  return proto;
}

/** Dtype and shape of an initializer. Throws an OnnxError for dtypes outside this project. */
export function tensorProtoType(proto: TensorProto): { dtype: DType; shape: number[] } {
  const dtype = dtypeOf.get(proto.dataType);
  if (dtype === undefined) throw new OnnxError("not-onnx", `initializer ${proto.name}: data type ${proto.dataType} is not supported`);
  const shape = proto.dims.map(Number);
  if (shape.some((size) => !Number.isSafeInteger(size) || size < 0) || !Number.isSafeInteger(elementCount(shape))) throw new OnnxError("not-onnx", `initializer ${proto.name}: impossible shape`);
  return { dtype, shape };
}

/** Where an initializer's bytes lie outside, or null when they are inside. */
export function externalRange(proto: TensorProto): ExternalRange | null {
  if (proto.dataLocation !== TensorProto_DataLocation.EXTERNAL) return null;
  const entries = new Map(proto.externalData.map(({ key, value }) => [key, value]));
  const [location, offset, length] = [entries.get("location"), Number(entries.get("offset") ?? 0), Number(entries.get("length"))];
  if (!location || !Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) throw new OnnxError("external-data", `initializer ${proto.name}: bad reference to external data`);
  return { location, offset, length };
}

/** An initializer from its bytes. Throws an OnnxError when their number is not what the shape needs. */
export function decodeTensor(proto: TensorProto, bytes: Uint8Array): Tensor {
  const { dtype, shape } = tensorProtoType(proto);
  const count = elementCount(shape);
  if (bytes.byteLength !== count * byteSize(dtype)) throw new OnnxError("not-onnx", `initializer ${proto.name}: ${bytes.byteLength} bytes for ${dtype}[${shape.join(", ")}]`);
  return { dtype, shape, data: viewAs(dtype, new Uint8Array(bytes).buffer, 0, count) } as Tensor;
}
