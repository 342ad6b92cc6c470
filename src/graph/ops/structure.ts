import { allocate } from "../../tensor/dtype.js";
import { elementCount, formatShape, rowMajorStrides } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import { GraphError } from "../graph-error.js";
import { broadcastDims, productOf, quotient, sameDims, sizeOf, staticShape, type Dim, type Dims } from "../type.js";
import { apply, type Op, type Value } from "../value.js";
import { broadcastOffsets, stridedOffsets } from "./broadcast.js";

/** The elements of `x` at `offsets`, as a tensor of `shape`. */
export function takeOffsets(x: Tensor, offsets: Int32Array, shape: readonly number[]): Tensor {
  const out = allocate(x.dtype, offsets.length) as unknown as (number | bigint)[];
  for (let i = 0; i < offsets.length; i++) out[i] = x.data[offsets[i]!]!;
  return { dtype: x.dtype, shape, data: out } as unknown as Tensor;
}

const Reshape: Op<{ shape: readonly number[] }> = {
  name: "Reshape",
  operands: { shape: "int64" },
  type: ([x], { shape }) => {
    const known: Dim[] = shape.map((size, axis) => (size === 0 ? x!.shape[axis]! : size));
    const free = shape.indexOf(-1);
    if (free >= 0) {
      // A symbolic axis that is copied as it is must not be multiplied with another one: cancel equal axes first.
      const rest = [...x!.shape];
      const others: Dim[] = [];
      for (const dim of known.filter((_, axis) => axis !== free)) {
        const at = rest.indexOf(dim);
        if (at >= 0) rest.splice(at, 1);
        else others.push(dim);
      }
      const size = quotient(productOf(rest), productOf(others));
      if (size === null) throw new GraphError("shape-mismatch", `Reshape: ${formatShape(x!.shape)} does not fit ${formatShape(shape)}`);
      known[free] = size;
    } else if (!sameDims([sizeOf(x!.shape, 7)], [sizeOf(known, 7)])) {
      throw new GraphError("shape-mismatch", `Reshape: ${formatShape(x!.shape)} does not fit ${formatShape(known)}`);
    }
    return { dtype: x!.dtype, shape: known };
  },
  grad: (dy, [x]) => [reshape(dy, x!.shape)],
  evaluate: ([x], _a, { dtype, shape }) => ({ dtype, shape, data: x!.data }) as Tensor,
  operations: () => 0,
};

/** The same elements in row-major order as another shape. At most one axis that is not kept in place may be symbolic. */
export function reshape(x: Value, shape: Dims): Value {
  if (sameDims(x.shape, shape)) return x;
  const target = shape.map((dim, axis) => (typeof dim === "number" ? dim : dim === x.shape[axis] ? 0 : -1));
  const result = apply(Reshape, [x], { shape: target });
  if (!sameDims(result.shape, shape)) throw new GraphError("shape-mismatch", `reshape: ${formatShape(x.shape)} does not fit ${formatShape(shape)}`);
  return result;
}

/** Removes an axis of size 1. */
export function squeeze(x: Value, axis: number): Value {
  const at = axis < 0 ? axis + x.rank : axis;
  return reshape(
    x,
    x.shape.filter((_, i) => i !== at),
  );
}

/** Adds an axis of size 1 before `axis`. */
export function unsqueeze(x: Value, axis: number): Value {
  return reshape(x, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)]);
}

const Transpose: Op<{ perm: readonly number[] }> = {
  name: "Transpose",
  type: ([x], { perm }) => {
    if (perm.length !== x!.shape.length || [...perm].sort((a, b) => a - b).some((axis, i) => axis !== i)) {
      throw new GraphError("bad-attribute", `Transpose: perm ${formatShape(perm)} for shape ${formatShape(x!.shape)}`);
    }
    return { dtype: x!.dtype, shape: perm.map((axis) => x!.shape[axis]!) };
  },
  grad: (dy, _inputs, { perm }) => [transpose(dy, inverse(perm))],
  evaluate: ([x], { perm }, { shape }) => {
    const strides = rowMajorStrides(x!.shape);
    return takeOffsets(
      x!,
      stridedOffsets(
        shape,
        perm.map((axis) => strides[axis]!),
      ),
      shape,
    );
  },
  operations: () => 0,
};

function inverse(perm: readonly number[]): number[] {
  const result = new Array<number>(perm.length);
  perm.forEach((axis, i) => (result[axis] = i));
  return result;
}

/** Reorders axes: axis `i` of the result is axis `perm[i]` of `x`. */
export function transpose(x: Value, perm: readonly number[]): Value {
  return perm.every((axis, i) => axis === i) ? x : apply(Transpose, [x], { perm });
}

const Expand: Op<{ shape: readonly number[] }> = {
  name: "Expand",
  operands: { shape: "int64" },
  type: ([x], { shape }) => ({ dtype: x!.dtype, shape: broadcastDims(x!.shape, shape) }),
  grad: (dy) => [dy],
  evaluate: ([x], _a, { shape }) => takeOffsets(x!, broadcastOffsets(x!.shape, shape), shape),
  operations: () => 0,
};

/** Repeats axes of size 1 until the shape is `shape`. */
export function expand(x: Value, shape: readonly number[]): Value {
  return sameDims(x.shape, shape) ? x : apply(Expand, [x], { shape });
}

const Concat: Op<{ axis: number }> = {
  name: "Concat",
  type: (inputs, { axis }) => {
    const first = inputs[0]!;
    let size = 0;
    for (const { shape, dtype } of inputs) {
      const own = shape[axis];
      if (typeof own !== "number" || dtype !== first.dtype || shape.length !== first.shape.length || shape.some((dim, i) => i !== axis && dim !== first.shape[i])) {
        throw new GraphError("shape-mismatch", `Concat on axis ${axis}: ${inputs.map((t) => t.dtype + formatShape(t.shape)).join(" and ")}`);
      }
      size += own;
    }
    return { dtype: first.dtype, shape: first.shape.map((dim, i) => (i === axis ? size : dim)) };
  },
  grad: (dy, inputs, { axis }) => {
    let start = 0;
    return inputs.map((x) => {
      const end = start + (x.shape[axis] as number);
      const part = slice(dy, axis, start, end);
      start = end;
      return part;
    });
  },
  evaluate: (inputs, { axis }, { dtype, shape }) => {
    const out = allocate(dtype, elementCount(shape)) as unknown as (number | bigint)[];
    const strides = rowMajorStrides(shape);
    let start = 0;
    for (const x of inputs) {
      const at = stridedOffsets(x.shape, strides, start * strides[axis]!);
      for (let i = 0; i < at.length; i++) out[at[i]!] = x.data[i]!;
      start += x.shape[axis]!;
    }
    return { dtype, shape, data: out } as unknown as Tensor;
  },
  operations: () => 0,
};

/** Joins values along an axis. */
export function concat(values: readonly Value[], axis: number): Value {
  return values.length === 1 ? values[0]! : apply(Concat, values, { axis: axis < 0 ? axis + values[0]!.rank : axis });
}

type SliceAttributes = { starts: readonly number[]; ends: readonly number[]; axes: readonly number[]; steps: readonly number[] };

const Slice: Op<SliceAttributes> = {
  name: "Slice",
  operands: { starts: "int64", ends: "int64", axes: "int64", steps: "int64" },
  type: ([x], { starts, ends, axes, steps }) => {
    const shape = [...x!.shape];
    axes.forEach((axis, i) => {
      const size = shape[axis];
      if (typeof size !== "number" || starts[i]! < 0 || ends[i]! > size || ends[i]! <= starts[i]! || steps[i]! < 1) {
        throw new GraphError("bad-attribute", `Slice: ${starts[i]}:${ends[i]}:${steps[i]} on axis ${axis} of ${formatShape(x!.shape)}`);
      }
      shape[axis] = Math.ceil((ends[i]! - starts[i]!) / steps[i]!);
    });
    return { dtype: x!.dtype, shape };
  },
  grad: (dy, [x], { starts, ends, axes, steps }) => {
    if (steps.some((step) => step !== 1)) throw new GraphError("no-gradient", "Slice with a step has no gradient rule");
    const before = x!.shape.map(() => 0);
    const after = x!.shape.map(() => 0);
    axes.forEach((axis, i) => {
      before[axis] = starts[i]!;
      after[axis] = (x!.shape[axis] as number) - ends[i]!;
    });
    return [pad(dy, before, after)];
  },
  evaluate: ([x], { starts, axes, steps }, { dtype, shape }) => {
    const strides = rowMajorStrides(x!.shape);
    // Whole rows lie together, and tables of labels are large.
    if (axes.every((axis) => axis === 0) && steps.every((step) => step === 1)) {
      const first = starts.reduce((sum, start) => sum + start * strides[0]!, 0);
      return { dtype, shape, data: x!.data.slice(first, first + elementCount(shape)) } as Tensor;
    }
    const walk = [...strides];
    let offset = 0;
    axes.forEach((axis, i) => {
      offset += starts[i]! * strides[axis]!;
      walk[axis] = strides[axis]! * steps[i]!;
    });
    return takeOffsets(x!, stridedOffsets(shape, walk, offset), shape);
  },
  operations: () => 0,
};

/** Positions `start` to `end` (exclusive) of one axis, every `step`-th. */
export function slice(x: Value, axis: number, start: number, end: number, step = 1): Value {
  if (start === 0 && end === x.shape[axis] && step === 1) return x;
  return apply(Slice, [x], { starts: [start], ends: [end], axes: [axis], steps: [step] });
}

const Pad: Op<{ pads: readonly number[] }> = {
  name: "Pad",
  operands: { pads: "int64" },
  type: ([x], { pads }) => {
    const rank = x!.shape.length;
    if (pads.length !== 2 * rank || pads.some((p) => p < 0)) throw new GraphError("bad-attribute", `Pad: pads ${formatShape(pads)} for ${formatShape(x!.shape)}`);
    return {
      dtype: x!.dtype,
      shape: x!.shape.map((dim, i) => {
        const extra = pads[i]! + pads[i + rank]!;
        if (typeof dim !== "number" && extra > 0) throw new GraphError("symbolic-size", `Pad: axis ${i} of ${formatShape(x!.shape)} is symbolic`);
        return typeof dim === "number" ? dim + extra : dim;
      }),
    };
  },
  grad: (dy, [x], { pads }) => {
    let result = dy;
    x!.shape.forEach((dim, axis) => {
      if (pads[axis]! + pads[axis + x!.rank]! > 0) result = slice(result, axis, pads[axis]!, pads[axis]! + (dim as number));
    });
    return [result];
  },
  evaluate: ([x], { pads }, { dtype, shape }) => {
    const out = allocate(dtype, elementCount(shape)) as unknown as (number | bigint)[];
    const strides = rowMajorStrides(shape);
    const start = strides.reduce((sum, stride, axis) => sum + stride * pads[axis]!, 0);
    const at = stridedOffsets(x!.shape, strides, start);
    for (let i = 0; i < at.length; i++) out[at[i]!] = x!.data[i]!;
    return { dtype, shape, data: out } as unknown as Tensor;
  },
  operations: () => 0,
};

/** Zeros before and after each axis. */
export function pad(x: Value, before: readonly number[], after: readonly number[]): Value {
  return [...before, ...after].every((p) => p === 0) ? x : apply(Pad, [x], { pads: [...before, ...after] });
}

/** Cyclic shift: position `p` of the axis takes the value of position `p + shift`. */
export function roll(x: Value, axis: number, shift: number): Value {
  const size = staticShape([x.shape[axis]!], "roll")[0]!;
  const by = ((shift % size) + size) % size;
  return by === 0 ? x : concat([slice(x, axis, by, size), slice(x, axis, 0, by)], axis);
}

export const structureOps = [Reshape, Transpose, Expand, Concat, Slice, Pad] as unknown as readonly Op[];
