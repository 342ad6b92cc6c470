import { castTensor } from "../../tensor/cast.js";
import { allocate } from "../../tensor/dtype.js";
import { elementCount, formatShape } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import { GraphError } from "../graph-error.js";
import { sameDims, sizeOf, type ValueType } from "../type.js";
import { apply, type Op, type Value } from "../value.js";
import { MatMul } from "./matmul.js";

/** ONNX's DequantizeLinear along one axis: bytes less the zero point of their place on the axis, times its scale. */
const DequantizeLinear: Op<{ axis: number }> = {
  name: "DequantizeLinear",
  type: ([x, scale, zero], { axis }) => {
    const along = [x!.shape[axis]!];
    if (x!.dtype !== "uint8" || scale!.dtype !== "float32" || zero!.dtype !== "uint8" || !sameDims(scale!.shape, along) || !sameDims(zero!.shape, along)) {
      throw new GraphError("shape-mismatch", `DequantizeLinear: ${x!.dtype}${formatShape(x!.shape)} with scales ${formatShape(scale!.shape)} and zero points ${formatShape(zero!.shape)} along axis ${axis}`);
    }
    return { dtype: "float32", shape: x!.shape };
  },
  grad: "none",
  evaluate: ([x, scale, zero], { axis }, { dtype, shape }) => {
    const out = allocate(dtype, elementCount(shape)) as Float32Array;
    const inner = elementCount(shape.slice(axis + 1));
    for (let i = 0; i < out.length; i++) {
      const place = Math.floor(i / inner) % shape[axis]!;
      out[i] = (Number(x!.data[i]) - Number(zero!.data[place])) * Number(scale!.data[place]);
    }
    return { dtype, shape, data: out } as Tensor;
  },
  operations: (_i, y) => 2 * sizeOf(y.shape),
};

/** The float32 values of `x` (uint8): its distances from `zero`, in units of `scale`, one of each for every place on `axis`. */
export function dequantizeLinear(x: Value, scale: Value, zero: Value, axis: number): Value {
  return apply(DequantizeLinear, [x, scale, zero], { axis });
}

type NBits = { K: number; N: number; bits: number; block_size: number };

function nBitsType([x, weight, scale]: readonly ValueType[], { K, N, bits, block_size }: NBits): ValueType {
  const blocks = Math.ceil(K / block_size);
  const fits = bits === 8 && x!.dtype === "float32" && x!.shape.at(-1) === K && weight!.dtype === "uint8" && sameDims(weight!.shape, [N, blocks, block_size]) && sameDims(scale!.shape, [N * blocks]);
  if (!fits) throw new GraphError("shape-mismatch", `MatMulNBits: ${formatShape(x!.shape)} times ${weight!.dtype}${formatShape(weight!.shape)} with scales ${formatShape(scale!.shape)}, K ${K}, N ${N}`);
  return { dtype: "float32", shape: [...x!.shape.slice(0, -1), N] };
}

/** The weight [N, K] that blocks of bytes around 128 and their scales stand for. */
function unblocked(weight: Tensor, scale: Tensor, { K, N, block_size }: NBits): Tensor {
  const blocks = Math.ceil(K / block_size);
  const data = new Float32Array(N * K);
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) {
      const block = n * blocks + Math.floor(k / block_size);
      data[n * K + k] = (Number(weight.data[block * block_size + (k % block_size)]) - 128) * Number(scale.data[block]);
    }
  }
  return { dtype: "float32", shape: [N, K], data };
}

/** ONNX Runtime's product with a weight [N, K] kept in 8 bits, a scale for each block of a row. */
const MatMulNBits: Op<NBits> = {
  name: "MatMulNBits",
  domain: "com.microsoft",
  type: nBitsType,
  grad: "none",
  evaluate: ([x, weight, scale], attributes, type) => {
    const dense = unblocked(weight!, scale!, attributes);
    const transposed = new Float32Array(dense.data.length);
    for (let n = 0; n < attributes.N; n++) for (let k = 0; k < attributes.K; k++) transposed[k * attributes.N + n] = Number(dense.data[n * attributes.K + k]);
    return MatMul.evaluate([x!, { dtype: "float32", shape: [attributes.K, attributes.N], data: transposed }], {}, type);
  },
  operations: (_i, y, { K }) => 2 * K * sizeOf(y.shape),
};

/**
 * x W^T in float32 over a weight W [N, K] in 8 bits: `weight` (uint8, 128 stands for 0) is [N, blocks, block size], `scale`
 * [N blocks].
 */
export function matMulNBits(x: Value, weight: Value, scale: Value): Value {
  const [N, , size] = weight.shape as [number, number, number];
  return apply(MatMulNBits, [x, weight, scale], { K: x.shape.at(-1) as number, N, bits: 8, block_size: size });
}

/** ONNX's MatMulInteger of unsigned bytes around one zero point with a signed weight matrix: exact, in int32. */
const MatMulInteger: Op<Record<string, never>> = {
  name: "MatMulInteger",
  type: ([x, weight, zero]) => {
    const [K, N] = weight!.shape;
    if (x!.dtype !== "uint8" || weight!.dtype !== "int8" || zero!.dtype !== "uint8" || weight!.shape.length !== 2 || x!.shape.at(-1) !== K || zero!.shape.length > 0) {
      throw new GraphError("shape-mismatch", `MatMulInteger: ${x!.dtype}${formatShape(x!.shape)} times ${weight!.dtype}${formatShape(weight!.shape)}, zero point ${zero!.dtype}${formatShape(zero!.shape)}`);
    }
    return { dtype: "int32", shape: [...x!.shape.slice(0, -1), N!] };
  },
  grad: "none",
  evaluate: ([x, weight, zero], _a, type) => {
    const centred = Float64Array.from(x!.data as Uint8Array, (v) => v - Number(zero!.data[0]));
    return MatMul.evaluate([{ dtype: "float64", shape: x!.shape, data: centred }, castTensor(weight!, "float64")], {}, type);
  },
  operations: ([, weight], y) => 2 * sizeOf([weight!.shape[0]!]) * sizeOf(y.shape),
};

/** (x - zero) W in int32 for bytes x (uint8) and a weight W [K, N] (int8). */
export function matMulInteger(x: Value, weight: Value, zero: Value): Value {
  return apply(MatMulInteger, [x, weight, zero], {});
}

export const quantizedOps = [DequantizeLinear, MatMulNBits, MatMulInteger] as unknown as readonly Op[];
