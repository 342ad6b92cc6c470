import { allocate } from "../../tensor/dtype.js";
import { elementCount, formatShape, type Shape } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import { GraphError } from "../graph-error.js";
import { broadcastDims, productOf, sizeOf, type Dim, type Dims, type ValueType } from "../type.js";
import { apply, type Op, type Value } from "../value.js";
import { broadcastOffsets } from "./broadcast.js";
import { commonDType } from "./elementwise.js";
import { reshape } from "./structure.js";

type Flags = { transA: number; transB: number; alpha: number };
const plain: Flags = { transA: 0, transB: 0, alpha: 1 };

function matrix(shape: Dims, transposed: number): [Dim, Dim] {
  const [rows, columns] = [shape[shape.length - 2]!, shape[shape.length - 1]!];
  return transposed ? [columns, rows] : [rows, columns];
}

function productType(name: string, [a, b]: readonly ValueType[], { transA, transB }: Flags): ValueType {
  const dtype = commonDType(name, [a!, b!]);
  if (a!.shape.length < 2 || b!.shape.length < 2) throw new GraphError("shape-mismatch", `${name}: ${formatShape(a!.shape)} and ${formatShape(b!.shape)} are not both matrices`);
  const [rows, inner] = matrix(a!.shape, transA);
  const [inner2, columns] = matrix(b!.shape, transB);
  if (inner !== inner2) throw new GraphError("shape-mismatch", `${name}: ${formatShape(a!.shape)}${transA ? " transposed" : ""} times ${formatShape(b!.shape)}${transB ? " transposed" : ""}`);
  return { dtype, shape: [...broadcastDims(a!.shape.slice(0, -2), b!.shape.slice(0, -2)), rows, columns] };
}

function multiply(a: Tensor, b: Tensor, { transA, transB, alpha }: Flags, dtype: Tensor["dtype"], shape: Shape): Tensor {
  const [m, n] = [shape[shape.length - 2]!, shape[shape.length - 1]!];
  const inner = matrix(a.shape, transA)[1] as number;
  const batch = shape.slice(0, -2);
  const starts = [a, b].map((t) => broadcastOffsets(t.shape.slice(0, -2), batch).map((i) => i * t.shape[t.shape.length - 2]! * t.shape[t.shape.length - 1]!));
  const [stepRow, stepK] = transA ? [1, m] : [inner, 1];
  const [stepK2, stepColumn] = transB ? [1, inner] : [n, 1];
  const out = allocate(dtype, elementCount(shape)) as Float64Array;
  const [x, y] = [a.data as Float64Array, b.data as Float64Array];
  const row = new Float64Array(n);
  for (let i = 0, at = 0; i < elementCount(batch); i++) {
    for (let r = 0; r < m; r++, at += n) {
      row.fill(0);
      for (let k = 0; k < inner; k++) {
        const left = x[starts[0]![i]! + r * stepRow + k * stepK]!;
        const from = starts[1]![i]! + k * stepK2;
        for (let c = 0; c < n; c++) row[c] = row[c]! + left * y[from + c * stepColumn]!;
      }
      for (let c = 0; c < n; c++) out[at + c] = alpha * row[c]!;
    }
  }
  return { dtype, shape, data: out } as Tensor;
}

/** Flattens all but the last axis. */
const flat = (x: Value): Value => reshape(x, [productOf(x.shape.slice(0, -1)), x.shape[x.rank - 1]!]);

function productGradient(dy: Value, a: Value, b: Value, { transA, transB, alpha }: Flags): Value[] {
  const da = transA ? matMul(b, dy, { transA: !!transB, transB: true, alpha }) : matMul(dy, b, { transB: !transB, alpha });
  // One large product instead of one for each row of the batch, summed afterwards.
  const [left, right] = b.rank === 2 && !transA ? [flat(a), flat(dy)] : [a, dy];
  const db = transB ? matMul(right, left, { transA: true, transB: !!transA, alpha }) : matMul(left, right, { transA: !transA, alpha });
  return [da, db];
}

const work = (inputs: readonly ValueType[], y: ValueType, { transA }: Flags): number => 2 * sizeOf(y.shape) * sizeOf([matrix(inputs[0]!.shape, transA)[1]]);

export const MatMul: Op<Record<string, never>> = {
  name: "MatMul",
  type: (inputs) => productType("MatMul", inputs, plain),
  grad: (dy, [a, b]) => productGradient(dy, a!, b!, plain),
  evaluate: ([a, b], _a, { dtype, shape }) => multiply(a!, b!, plain, dtype, shape),
  operations: (inputs, y) => work(inputs, y, plain),
};

/** ONNX Runtime's MatMul with either operand's last two axes exchanged and a factor. */
export const FusedMatMul: Op<Flags> = {
  name: "FusedMatMul",
  domain: "com.microsoft",
  type: (inputs, flags) => productType("FusedMatMul", inputs, flags),
  grad: (dy, [a, b], flags) => productGradient(dy, a!, b!, flags),
  evaluate: ([a, b], flags, { dtype, shape }) => multiply(a!, b!, flags, dtype, shape),
  operations: (inputs, y, flags) => work(inputs, y, flags),
};

export interface MatMulOptions {
  /** Exchange the last two axes of `a`. @default false */
  readonly transA?: boolean;
  /** Exchange the last two axes of `b`. @default false */
  readonly transB?: boolean;
  /** Factor of the product. @default 1 */
  readonly alpha?: number;
}

/** Matrix product over the last two axes; the axes before them broadcast. */
export function matMul(a: Value, b: Value, { transA = false, transB = false, alpha = 1 }: MatMulOptions = {}): Value {
  if (!transA && !transB && alpha === 1) return apply(MatMul, [a, b], {});
  return apply(FusedMatMul, [a, b], { transA: Number(transA), transB: Number(transB), alpha });
}

export const matMulOps = [MatMul, FusedMatMul] as unknown as readonly Op[];
