import { readFileSync } from "node:fs";
import { byteSize, viewAs, type DType } from "../src/tensor/dtype.js";
import { elementCount } from "../src/tensor/shape.js";
import type { Tensor } from "../src/tensor/tensor.js";

const dtypes: Readonly<Record<string, DType>> = { F64: "float64", F32: "float32", F16: "float16", BF16: "bfloat16", I64: "int64", I32: "int32", I16: "int16", I8: "int8", U8: "uint8", BOOL: "bool" };

/** Reads a trusted fixture whole; the project's own reader is tested against others. */
export function readSafetensorsFixture(file: string): Map<string, Tensor> {
  const bytes = readFileSync(file);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerLength)) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype: code, shape, data_offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const dtype = dtypes[code]!;
    const start = bytes.byteOffset + 8 + headerLength + data_offsets[0];
    const buffer = bytes.buffer.slice(start, start + elementCount(shape) * byteSize(dtype));
    tensors.set(name, { dtype, shape, data: viewAs(dtype, buffer, 0, elementCount(shape)) } as Tensor);
  }
  return tensors;
}
