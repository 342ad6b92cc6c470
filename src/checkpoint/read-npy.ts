import { allocate, byteSize, type DType, type TypedArray } from "../tensor/dtype.js";
import { elementCount, rowMajorStrides, type Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ByteSource } from "./byte-source.js";
import { CheckpointError } from "./checkpoint-error.js";
import type { StoredTensor } from "./checkpoint.js";

/** The first bytes of a .npy file. */
export const npyMagic = Buffer.from("\x93NUMPY", "latin1");

/** NumPy writes some hundred bytes, and refuses to read more than 10,000. */
const longestHeader = 10_000;
const largestRank = 32;
const dtypes: Readonly<Record<string, DType>> = { "<f2": "float16", "<f4": "float32", "<f8": "float64" };

interface NpyHeader {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: Shape;
}

/** Reads the Python dictionary of a header: three keys, each once, with plain values; nothing is evaluated. Null for anything else. */
function parseHeader(text: string): NpyHeader | null {
  const found = new Map<string, string>();
  const rest = text.replace(/(['"])(descr|fortran_order|shape)\1\s*:\s*('[^'\\]*'|"[^"\\]*"|True|False|\([\d\s,]*\))\s*(?:,|(?=\}))\s*/g, (_match, _quote, key: string, value: string) => {
    found.set(key, found.has(key) ? "" : value);
    return "";
  });
  const [descr, order, shape] = [found.get("descr") ?? "", found.get("fortran_order") ?? "", found.get("shape") ?? ""];
  const sizes = /^\((?:\d+,|\d+(?:, ?\d+)+,?)?\)$/.test(shape.replace(/\s+/g, " ").replace(/ \)/, ")")) ? shape.match(/\d+/g) ?? [] : null;
  if (!/^\{\s*\}\s*$/.test(rest) || !/^['"]/.test(descr) || !/^(True|False)$/.test(order) || sizes === null) return null;
  return { descr: descr.slice(1, -1), fortran: order === "True", shape: sizes.map(Number) };
}

/**
 * The array of a NumPy file (.npy, format 1.0 to 3.0) of little-endian f2, f4 or f8, in C or Fortran order; its values are
 * read when asked for. Throws CheckpointError for any other, for files of Python objects, which would have to be executed, and for one
 * whose length is not what its shape needs.
 */
export async function openNpy(source: ByteSource, name: string): Promise<StoredTensor> {
  const { file, size } = source;
  const bad = (problem: string): CheckpointError => new CheckpointError(file, { code: "bad-npy", problem });
  const start = await source.read(0, Math.min(12, size));
  if (!start.subarray(0, 6).equals(npyMagic)) throw bad("does not begin as one");
  const version = start[6]!;
  if (!(version >= 1 && version <= 3)) throw bad(`its format is version ${version}.${start[7]}; 1.0 to 3.0 are read`);
  const lengthBytes = version === 1 ? 2 : 4;
  const begin = 8 + lengthBytes;
  if (start.length < begin) throw new CheckpointError(file, { code: "truncated", needed: begin, available: size });
  const length = version === 1 ? start.readUInt16LE(8) : start.readUInt32LE(8);
  if (length > longestHeader) throw new CheckpointError(file, { code: "too-large", what: "length of the .npy header", actual: length, limit: longestHeader });
  const header = parseHeader((await source.read(begin, length)).toString("latin1"));
  if (header === null) throw bad("its header is none of an array with one element type and a shape");
  const { descr, fortran, shape } = header;
  if (descr.includes("O")) throw bad("holds Python objects, which are never read; save numbers (float32)");
  const dtype = dtypes[descr];
  if (dtype === undefined) throw bad(`its element type is ${descr}; save it as little-endian float32 (array.astype("<f4"))`);
  const count = elementCount(shape);
  if (shape.length > largestRank || !Number.isSafeInteger(count)) throw bad("its shape is impossible");
  const data = begin + length;
  const needed = data + count * byteSize(dtype);
  if (needed > size) throw new CheckpointError(file, { code: "truncated", needed, available: size });
  if (needed < size) throw bad(`has ${size - needed} bytes after the array`);
  return {
    name,
    dtype,
    shape,
    async read() {
      const values = allocate(dtype, count);
      await source.readInto(new Uint8Array(values.buffer), data);
      return { dtype, shape, data: fortran ? toRowMajor(values, shape) : values } as Tensor;
    },
  };
}

/** Values stored with the first axis running fastest, in row-major order. */
function toRowMajor<T extends TypedArray>(values: T, shape: Shape): T {
  const result = values.slice() as T;
  const strides = rowMajorStrides([...shape].reverse()).reverse();
  const index = new Array<number>(shape.length).fill(0);
  for (let i = 0, from = 0; i < result.length; i++) {
    result[i] = values[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}
