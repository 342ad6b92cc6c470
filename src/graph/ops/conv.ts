import { allocate } from "../../tensor/dtype.js";
import { elementCount, formatShape } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import { GraphError } from "../graph-error.js";
import { sizeOf, staticShape, type Dims, type ValueType } from "../type.js";
import { apply, type Op, type Value } from "../value.js";
import { commonDType } from "./elementwise.js";
import { matMul } from "./matmul.js";
import { reduceSum } from "./reduce.js";
import { reshape, slice, transpose } from "./structure.js";

type ConvAttributes = {
  group: number;
  strides: readonly number[];
  dilations: readonly number[];
  /** top, left, bottom, right */
  pads: readonly number[];
};

type ConvTransposeAttributes = ConvAttributes & { output_padding: readonly number[] };

const spatial = (shape: Dims): number[] => staticShape(shape.slice(2), "Conv");

function convShape([x, w]: readonly ValueType[], { group, strides, dilations, pads }: ConvAttributes): Dims {
  const [outputs, perGroup] = w!.shape as readonly number[];
  if (x!.shape.length !== 4 || w!.shape.length !== 4 || x!.shape[1] !== perGroup! * group || outputs! % group !== 0) {
    throw new GraphError("shape-mismatch", `Conv: input ${formatShape(x!.shape)}, weight ${formatShape(w!.shape)}, ${group} groups`);
  }
  const kernel = spatial(w!.shape);
  const sides = spatial(x!.shape).map((size, i) => Math.floor((size + pads[i]! + pads[i + 2]! - dilations[i]! * (kernel[i]! - 1) - 1) / strides[i]!) + 1);
  if (sides.some((side) => side < 1)) throw new GraphError("shape-mismatch", `Conv: kernel ${formatShape(kernel)} is larger than the input ${formatShape(x!.shape)}`);
  return [x!.shape[0]!, outputs!, ...sides];
}

/** Visits every product of a convolution: offsets into output, input and weight. */
function convolve(y: readonly number[], x: readonly number[], w: readonly number[], { group, strides, dilations, pads }: ConvAttributes, visit: (yi: number, xi: number, wi: number) => void): void {
  const [batch, outputs, height, width] = y as [number, number, number, number];
  const [, channels, inHeight, inWidth] = x as [number, number, number, number];
  const [, perGroup, kh, kw] = w as [number, number, number, number];
  const outPerGroup = outputs / group;
  for (let b = 0, yi = 0; b < batch; b++)
    for (let o = 0; o < outputs; o++)
      for (let r = 0; r < height; r++)
        for (let c = 0; c < width; c++, yi++)
          for (let i = 0; i < perGroup; i++)
            for (let u = 0; u < kh; u++) {
              const row = r * strides[0]! - pads[0]! + u * dilations[0]!;
              if (row < 0 || row >= inHeight) continue;
              for (let v = 0; v < kw; v++) {
                const column = c * strides[1]! - pads[1]! + v * dilations[1]!;
                if (column < 0 || column >= inWidth) continue;
                const channel = Math.floor(o / outPerGroup) * perGroup + i;
                visit(yi, ((b * channels + channel) * inHeight + row) * inWidth + column, ((o * perGroup + i) * kh + u) * kw + v);
              }
            }
}

/** Two-dimensional convolution: x [B, C, H, W], w [O, C / group, kh, kw]. */
const Conv: Op<ConvAttributes> = {
  name: "Conv",
  type: (inputs, attributes) => ({ dtype: commonDType("Conv", inputs), shape: convShape(inputs, attributes) }),
  grad: (dy, [x, w], attributes) => [dataGradient(dy, x!, w!, attributes), weightGradient(dy, x!, w!, attributes)],
  evaluate: ([x, w], attributes, { dtype, shape }) => {
    const out = allocate(dtype, elementCount(shape)) as Float64Array;
    const sums = new Float64Array(out.length);
    convolve(shape, x!.shape, w!.shape, attributes, (yi, xi, wi) => (sums[yi]! += Number(x!.data[xi]) * Number(w!.data[wi])));
    out.set(sums);
    return { dtype, shape, data: out } as Tensor;
  },
  operations: ([, w], y) => 2 * sizeOf(y.shape) * sizeOf(w!.shape.slice(1)),
};

/** Adjoint of Conv: x [B, O, h, w], weight as Conv's [O, C / group, kh, kw]. */
const ConvTranspose: Op<ConvTransposeAttributes> = {
  name: "ConvTranspose",
  type: (inputs, { group, strides, dilations, pads, output_padding }) => {
    const [x, w] = inputs;
    if (x!.shape.length !== 4 || w!.shape.length !== 4 || x!.shape[1] !== w!.shape[0]) throw new GraphError("shape-mismatch", `ConvTranspose: input ${formatShape(x!.shape)}, weight ${formatShape(w!.shape)}`);
    const kernel = spatial(w!.shape);
    const sides = spatial(x!.shape).map((size, i) => (size - 1) * strides[i]! + dilations[i]! * (kernel[i]! - 1) + 1 + output_padding[i]! - pads[i]! - pads[i + 2]!);
    return { dtype: commonDType("ConvTranspose", inputs), shape: [x!.shape[0]!, (w!.shape[1] as number) * group, ...sides] };
  },
  grad: (dy, [x, w], { group, strides, dilations, pads }) => {
    const attributes = { group, strides, dilations, pads };
    return [apply(Conv, [dy, w!], attributes), weightGradient(x!, dy, w!, attributes)];
  },
  evaluate: ([x, w], attributes, { dtype, shape }) => {
    const sums = new Float64Array(elementCount(shape));
    convolve(x!.shape, shape, w!.shape, attributes, (yi, xi, wi) => (sums[xi]! += Number(x!.data[yi]) * Number(w!.data[wi])));
    const out = allocate(dtype, sums.length) as Float64Array;
    out.set(sums);
    return { dtype, shape, data: out } as Tensor;
  },
  operations: ([x, w]) => 2 * sizeOf(x!.shape) * sizeOf(w!.shape.slice(1)),
};

const isPointwise = (w: Value, { group, strides, pads }: ConvAttributes): boolean =>
  group === 1 && w.shape[2] === 1 && w.shape[3] === 1 && strides.every((s) => s === 1) && pads.every((p) => p === 0);

/** Gradient of the input. Stride 1: a Conv with the kernel flipped and its channels exchanged; else ConvTranspose. */
function dataGradient(dy: Value, x: Value, w: Value, attributes: ConvAttributes): Value {
  const { group, strides, dilations, pads } = attributes;
  const [outputs, perGroup] = staticShape(w.shape, "Conv") as [number, number];
  if (isPointwise(w, attributes)) return conv(dy, transpose(w, [1, 0, 2, 3]));
  const kernel = spatial(w.shape);
  const reach = kernel.map((k, i) => dilations[i]! * (k - 1));
  if (strides.every((s) => s === 1) && group === outputs && perGroup === 1 && pads.every((p, i) => p <= reach[i % 2]!)) {
    return apply(Conv, [dy, flip(w)], { group, strides, dilations, pads: [0, 1, 2, 3].map((i) => reach[i % 2]! - pads[i]!) });
  }
  const produced = spatial(dy.shape).map((side, i) => (side - 1) * strides[i]! + reach[i]! + 1 - pads[i]! - pads[i + 2]!);
  const missing = spatial(x.shape).map((side, i) => side - produced[i]!);
  return apply(ConvTranspose, [dy, w], { group, strides, dilations, pads, output_padding: missing });
}

/** Reverses the two spatial axes. */
function flip(w: Value): Value {
  const [kh, kw] = spatial(w.shape) as [number, number];
  const reversed = (x: Value, axis: number, size: number): Value =>
    size === 1 ? x : apply(Flip, [x], { starts: [size - 1], ends: [-size - 1], axes: [axis], steps: [-1] });
  return reversed(reversed(w, 2, kh), 3, kw);
}

/** ONNX's Slice walking backwards over a whole axis: its own gradient. */
const Flip: Op<{ starts: readonly number[]; ends: readonly number[]; axes: readonly number[]; steps: readonly number[] }> = {
  name: "Slice",
  operands: { starts: "int64", ends: "int64", axes: "int64", steps: "int64" },
  type: ([x]) => x!,
  grad: (dy, _inputs, attributes) => [apply(Flip, [dy], attributes)],
  evaluate: ([x], { axes }) => {
    const axis = axes[0]!;
    const inner = elementCount(x!.shape.slice(axis + 1));
    const size = x!.shape[axis]!;
    const data = x!.data.slice() as Float64Array;
    for (let i = 0; i < data.length; i++) {
      const at = Math.floor(i / inner) % size;
      data[i] = (x!.data as Float64Array)[i + (size - 1 - 2 * at) * inner]!;
    }
    return { ...x!, data } as Tensor;
  },
  operations: () => 0,
};

/**
 * Gradient of the weight: the input convolved with the output's gradient as kernel, stride and dilation exchanged.
 * Depthwise: one group for each photo and channel, summed over photos (faster in ONNX Runtime than one group a channel).
 */
function weightGradient(dy: Value, x: Value, w: Value, attributes: ConvAttributes): Value {
  const { group, strides, dilations, pads } = attributes;
  const [batch, channels, height, width] = staticShape(x.shape, "gradient of Conv") as [number, number, number, number];
  const [outputs, perGroup, kh, kw] = staticShape(w.shape, "gradient of Conv") as [number, number, number, number];
  const [dyHeight, dyWidth] = spatial(dy.shape) as [number, number];
  if (isPointwise(w, attributes)) {
    const products = matMul(reshape(dy, [batch, outputs, dyHeight * dyWidth]), reshape(x, [batch, channels, height * width]), { transB: true });
    return reshape(reduceSum(products, [0]), w.shape);
  }
  const exchanged = { strides: dilations, dilations: strides, pads };
  const cropped = (y: Value): Value => slice(slice(y, 2, 0, kh), 3, 0, kw);
  if (perGroup === 1 && outputs === group) {
    const each = apply(Conv, [reshape(x, [1, batch * channels, height, width]), reshape(dy, [batch * channels, 1, dyHeight, dyWidth])], { group: batch * channels, ...exchanged });
    return reshape(reduceSum(reshape(cropped(each), [batch, channels, kh, kw]), [0]), w.shape);
  }
  const images = reshape(transpose(reshape(x, [batch, group, perGroup, height, width]), [2, 1, 0, 3, 4]), [perGroup, group * batch, height, width]);
  const kernels = transpose(dy, [1, 0, 2, 3]);
  return transpose(cropped(apply(Conv, [images, kernels], { group, ...exchanged })), [1, 0, 2, 3]);
}

export interface ConvOptions {
  /** @default 1 */
  readonly group?: number;
  /** Of both axes. @default 1 */
  readonly stride?: number;
  /** @default 1 */
  readonly dilation?: number;
  /** top, left, bottom, right. @default none */
  readonly pads?: readonly [number, number, number, number];
}

/** Two-dimensional convolution of x [B, C, H, W] with w [O, C / group, kh, kw]: [B, O, H', W']. */
export function conv(x: Value, w: Value, { group = 1, stride = 1, dilation = 1, pads = [0, 0, 0, 0] }: ConvOptions = {}): Value {
  return apply(Conv, [x, w], { group, strides: [stride, stride], dilations: [dilation, dilation], pads });
}

export const convOps = [Conv, ConvTranspose] as unknown as readonly Op[];
