import { abs, add, cast, div, max, mul, sub } from "../graph/ops/elementwise.js";
import { dequantizeLinear, matMulInteger, matMulNBits } from "../graph/ops/quantized.js";
import { reduceMax } from "../graph/ops/reduce.js";
import { reshape } from "../graph/ops/structure.js";
import { rewrite } from "../graph/rewrite.js";
import { sizeOf, staticShape } from "../graph/type.js";
import { constant, scalar, Value } from "../graph/value.js";
import type { Weights } from "../onnx/write-onnx.js";
import type { DType } from "../tensor/dtype.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { quantiseBlocks, quantiseColumns, quantiseRows, rowSums, type Quantised } from "./quantise-weights.js";

/** A graph some of whose parameters are made from others. */
export interface StoredGraph {
  readonly values: readonly Value[];
  /** Makes the values of the parameters that take the place of others. */
  readonly made: ReadonlyMap<string, () => Promise<Tensor>>;
}

/** Weights of fewer values stay as they are: they are not worth the loss. */
const smallest = 65536;

/** Values of a row that share a scale, where a weight alone is in 8 bits. */
const blockSize = 64;

/**
 * Products computed in 8-bit integers on both sides: those of the encoder that carry nine tenths of its arithmetic. Left out
 * by measurement: the projection after attention (a twelfth of the arithmetic, a quarter of the error), and the head, whose
 * error goes into the logits as it is.
 */
const inIntegers = /^visual_encoder\..*\.(qkv|fc1|fc2)\.weight$/;

/** Brings products x Wᵀ with weights W [N, K] to 8 bits: the weight alone, in blocks, or both sides, in integers. */
export function quantiseProducts(outputs: readonly Value[], weights: Weights): StoredGraph {
  const made = new Map<string, () => Promise<Tensor>>();
  const values = rewrite(outputs, (value) => {
    const [x, w] = value.inputs;
    const { transA, transB, alpha } = value.attributes;
    if (value.op?.name !== "FusedMatMul" || transA || !transB || alpha !== 1 || w?.source?.kind !== "parameter" || w.rank !== 2 || sizeOf(w.shape) < smallest) return null;
    const { name } = w.source;
    const [N, K] = staticShape(w.shape, name) as [number, number];
    if (!inIntegers.test(name)) {
      const blocks = Math.ceil(K / blockSize);
      const [bytes, scale] = halves(made, `${name}.blocks`, async () => quantiseBlocks(await weights(name), blockSize));
      return matMulNBits(x!, bytes("uint8", [N, blocks, blockSize]), scale("float32", [N * blocks]));
    }
    const [integers, scale] = halves(made, `${name}.columns`, async () => quantiseColumns(await weights(name)));
    made.set(`${name}.sums`, async () => rowSums(await weights(name)));
    return integerProduct(x!, { integers: integers("int8", [K, N]), scale: scale("float32", [N]), sums: parameter(`${name}.sums`, "float32", [N]) });
  });
  return { values, made };
}

/** Brings tables of rows [T, D, W] to 8 bits, a scale for each row, to be widened when they are used. */
export function quantiseTables(outputs: readonly Value[], weights: Weights): StoredGraph {
  const made = new Map<string, () => Promise<Tensor>>();
  const values = rewrite(outputs, (value) => {
    if (value.source?.kind !== "parameter" || value.rank !== 3 || value.dtype !== "float32" || sizeOf(value.shape) < smallest) return null;
    const { name } = value.source;
    const [tags, perTag, width] = staticShape(value.shape, name) as [number, number, number];
    const rows = tags * perTag;
    const [bytes, scale] = halves(made, `${name}.rows`, async () => quantiseRows(await weights(name), width));
    made.set(`${name}.zero`, async () => ({ dtype: "uint8", shape: [rows], data: new Uint8Array(rows).fill(128) }));
    // Unsigned, with zero points: of signed ones ONNX Runtime's x64quantprecision makes a graph that does not run.
    return reshape(dequantizeLinear(bytes("uint8", [rows, width]), scale("float32", [rows]), parameter(`${name}.zero`, "uint8", [rows]), 0), value.shape);
  });
  return { values, made };
}

const parameter = (name: string, dtype: DType, shape: Shape): Value => Value.leaf({ dtype, shape }, { kind: "parameter", name });

type MakeParameter = (dtype: DType, shape: Shape) => Value;

/** Parameters for the two halves of a quantised weight. They are asked for one after the other, and made once for both. */
function halves(made: Map<string, () => Promise<Tensor>>, name: string, make: () => Promise<Quantised>): readonly [MakeParameter, MakeParameter] {
  let waiting: { half: "values" | "scale"; quantised: Promise<Quantised> } | null = null;
  const give = async (half: "values" | "scale"): Promise<Tensor> => {
    const quantised = waiting !== null && waiting.half !== half ? waiting.quantised : make();
    waiting = waiting?.quantised === quantised ? null : { half, quantised };
    return (await quantised)[half];
  };
  made.set(name, () => give("values"));
  made.set(`${name}_scale`, () => give("scale"));
  return [(dtype, shape) => parameter(name, dtype, shape), (dtype, shape) => parameter(`${name}_scale`, dtype, shape)];
}

/** A weight W [K, N] as integers in units of `scale` [N], and the sums of its columns [N]. */
interface IntegerWeight {
  readonly integers: Value;
  readonly scale: Value;
  readonly sums: Value;
}

/** The smallest value of x Φ(x), near x = -0.7518. */
const leastOfGelu = -0.1699712;

const byte = (value: number): Value => constant({ dtype: "uint8", shape: [], data: Uint8Array.of(value) });

/** x W in integers, each row of x brought to bytes by a scale of its own (rows differ: one scale for all loses a third more). */
function integerProduct(x: Value, w: IntegerWeight): Value {
  const product = (bytes: Value, zero: number, rowScale: Value): Value => mul(mul(cast(matMulInteger(bytes, w.integers, byte(zero)), "float32"), rowScale), w.scale);
  // The cast cuts towards zero, so half a step more rounds.
  if (x.op?.name === "Gelu") {
    // Nearly all of a Gelu's range is above 0: bytes count from its least value, whose part of the product is the same for every row.
    const rowScale = mul(sub(reduceMax(x, [-1], { keepDims: true }), scalar(leastOfGelu)), scalar(1 / 255));
    const bytes = cast(add(div(sub(x, scalar(leastOfGelu)), rowScale), scalar(0.5)), "uint8");
    return add(product(bytes, 0, rowScale), mul(w.sums, scalar(leastOfGelu)));
  }
  // The smallest normal number stands in for the largest magnitude of a row of zeros.
  const largest = max(reduceMax(abs(x), [-1], { keepDims: true }), scalar(1.1754943508222875e-38));
  const rowScale = mul(largest, scalar(1 / 127));
  return product(cast(add(div(x, rowScale), scalar(128.5)), "uint8"), 128, rowScale);
}
