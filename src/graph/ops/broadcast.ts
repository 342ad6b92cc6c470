import { elementCount, rowMajorStrides, type Shape } from "../../tensor/shape.js";

/** For each element of `shape`, in row-major order, the offset of the element of `from` that broadcasts to it. */
export function broadcastOffsets(from: Shape, shape: Shape): Int32Array {
  const own = rowMajorStrides(from);
  const strides = shape.map((_, axis) => {
    const i = axis - (shape.length - from.length);
    return i < 0 || from[i] === 1 ? 0 : own[i]!;
  });
  return stridedOffsets(shape, strides);
}

/** Offsets that a walk over `shape` in row-major order visits, with the given step for each axis. */
export function stridedOffsets(shape: Shape, strides: readonly number[], start = 0): Int32Array {
  const offsets = new Int32Array(elementCount(shape));
  const index = new Int32Array(shape.length);
  let offset = start;
  for (let i = 0; i < offsets.length; i++) {
    offsets[i] = offset;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      offset += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      offset -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return offsets;
}
