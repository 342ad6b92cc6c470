import { allocate, type DType, type TypedArray, type TypedArrayOf } from "./dtype.js";
import { elementCount, type Shape } from "./shape.js";

/** Dense row-major data: `data` holds `elementCount(shape)` elements of `dtype`. */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: Shape;
  readonly data: TypedArrayOf[D];
}

/** A tensor over existing data. Throws a RangeError when the data's length is not the shape's element count. */
export function tensor<D extends DType>(dtype: D, shape: Shape, data: TypedArrayOf[D]): Tensor<D> {
  if ((data as TypedArray).length !== elementCount(shape)) {
    throw new RangeError(`tensor of shape [${shape.join(", ")}] needs ${elementCount(shape)} elements, received ${(data as TypedArray).length}`);
  }
  return { dtype, shape, data };
}

/** A float32 tensor from numbers. */
export function float32(shape: Shape, values: ArrayLike<number>): Tensor<"float32"> {
  return tensor("float32", shape, Float32Array.from(values));
}

/** An int64 tensor from numbers, which must be safe integers. */
export function int64(shape: Shape, values: ArrayLike<number>): Tensor<"int64"> {
  return tensor("int64", shape, BigInt64Array.from({ length: values.length }, (_, i) => BigInt(values[i]!)));
}

export function zeros<D extends DType>(dtype: D, shape: Shape): Tensor<D> {
  return tensor(dtype, shape, allocate(dtype, elementCount(shape)));
}
