/** Element types, by ONNX's and safetensors' common names in lower case. */
export type DType = "float64" | "float32" | "float16" | "bfloat16" | "int64" | "int32" | "int16" | "int8" | "uint8" | "bool";

/** The typed array that holds each dtype: float16 and bfloat16 as their 16-bit patterns, bool as one byte each. */
export interface TypedArrayOf {
  float64: Float64Array;
  float32: Float32Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int16: Int16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

export type TypedArray = TypedArrayOf[DType];

const constructors = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** Bytes of one element. */
export function byteSize(dtype: DType): number {
  return constructors[dtype].BYTES_PER_ELEMENT;
}

/** A zero-filled array for `count` elements. */
export function allocate<D extends DType>(dtype: D, count: number): TypedArrayOf[D] {
  // The table pairs each dtype with its own constructor, which the compiler cannot follow through the index.
  return new constructors[dtype](count) as unknown as TypedArrayOf[D];
}

/** Views `byteLength` bytes of `buffer` from `byteOffset` as elements; the offset must be a multiple of the element size. */
export function viewAs<D extends DType>(dtype: D, buffer: ArrayBufferLike, byteOffset: number, count: number): TypedArrayOf[D] {
  const Constructor = constructors[dtype] as unknown as new (b: ArrayBufferLike, o: number, n: number) => TypedArrayOf[D];
  return new Constructor(buffer, byteOffset, count);
}
