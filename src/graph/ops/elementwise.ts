import { allocate, type DType } from "../../tensor/dtype.js";
import { elementCount, type Shape } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import { GraphError } from "../graph-error.js";
import { broadcastDims, sizeOf, type ValueType } from "../type.js";
import { apply, scalar, type Op, type Value } from "../value.js";
import { broadcastOffsets } from "./broadcast.js";
import { castTensor } from "../../tensor/cast.js";
import { erf } from "./erf.js";

type Empty = Record<string, never>;
const none: Empty = {};

/** Throws unless all are of one dtype, which is returned. */
export function commonDType(name: string, types: readonly ValueType[]): DType {
  const first = types[0]!.dtype;
  for (const type of types) {
    if (type.dtype !== first) throw new GraphError("dtype-mismatch", `${name}: operands of dtype ${types.map((t) => t.dtype).join(" and ")}`);
  }
  return first;
}

function map(x: Tensor, dtype: DType, f: (v: number, dtype: DType) => number): Tensor {
  const out = allocate(dtype, x.data.length) as Float64Array;
  for (let i = 0; i < out.length; i++) out[i] = f(Number(x.data[i]), dtype);
  return { dtype, shape: x.shape, data: out } as Tensor;
}

function combine(a: Tensor, b: Tensor, dtype: DType, shape: Shape, f: (x: number, y: number) => number): Tensor {
  const out = allocate(dtype, elementCount(shape)) as Float64Array;
  const [ia, ib] = [broadcastOffsets(a.shape, shape), broadcastOffsets(b.shape, shape)];
  for (let i = 0; i < out.length; i++) out[i] = f(Number(a.data[ia[i]!]), Number(b.data[ib[i]!]));
  return { dtype, shape, data: out } as Tensor;
}

type UnaryGradient = (dy: Value, x: Value, y: Value) => Value | null;

function unaryOp(name: string, f: (x: number, dtype: DType) => number, grad: UnaryGradient | "none", operations = 1): Op<Empty> {
  return {
    name,
    type: ([x]) => x!,
    grad: grad === "none" ? "none" : (dy, [x], _a, y) => [grad(dy, x!, y)],
    evaluate: ([x]) => map(x!, x!.dtype, f),
    operations: (_i, y) => operations * sizeOf(y.shape),
  };
}

function binaryOp(name: string, f: (x: number, y: number) => number, grad: ((dy: Value, a: Value, b: Value, y: Value) => (Value | null)[]) | "none", result?: DType): Op<Empty> {
  return {
    name,
    type: ([a, b]) => ({ dtype: result ?? commonDType(name, [a!, b!]), shape: broadcastDims(a!.shape, b!.shape) }),
    grad: grad === "none" ? "none" : (dy, [a, b], _a, y) => grad(dy, a!, b!, y),
    evaluate: ([a, b], _a, type) => combine(a!, b!, type.dtype, type.shape, f),
    operations: (_i, y) => sizeOf(y.shape),
  };
}

/** In float32 the sum is rounded before the division, as in the reference: from about 16.6 on the result is exactly 1. */
function logistic(x: number, dtype: DType): number {
  const sum = 1 + Math.exp(-x);
  return 1 / (dtype === "float32" ? Math.fround(sum) : sum);
}

const like = (value: number, x: Value): Value => scalar(value, x.dtype);

export const Neg = unaryOp("Neg", (x) => -x, (dy) => neg(dy));
export const Exp = unaryOp("Exp", Math.exp, (dy, _x, y) => mul(dy, y));
export const Log = unaryOp("Log", Math.log, (dy, x) => div(dy, x));
export const Sqrt = unaryOp("Sqrt", Math.sqrt, (dy, _x, y) => div(mul(dy, like(0.5, y)), y));
export const Abs = unaryOp("Abs", Math.abs, (dy, x) => mul(dy, sign(x)));
export const Sign = unaryOp("Sign", Math.sign, "none");
export const Reciprocal = unaryOp("Reciprocal", (x) => 1 / x, (dy, _x, y) => neg(mul(dy, mul(y, y))));
export const Relu = unaryOp("Relu", (x) => Math.max(x, 0), (dy, _x, y) => mul(dy, sign(y)));
export const Sigmoid = unaryOp("Sigmoid", logistic, (dy, _x, y) => mul(dy, mul(y, sub(like(1, y), y))), 4);
export const Tanh = unaryOp("Tanh", Math.tanh, (dy, _x, y) => mul(dy, sub(like(1, y), mul(y, y))), 4);
export const Erf = unaryOp("Erf", erf, (dy, x) => mul(dy, mul(exp(neg(mul(x, x))), like(2 / Math.sqrt(Math.PI), x))), 8);

/** Exact Gelu, x Φ(x); Hendrycks & Gimpel 2016. Its derivative is Φ(x) + x φ(x). */
export const Gelu = unaryOp(
  "Gelu",
  (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  (dy, x) => {
    const cumulative = mul(add(erfOf(mul(x, like(Math.SQRT1_2, x))), like(1, x)), like(0.5, x));
    const density = mul(exp(mul(mul(x, x), like(-0.5, x))), like(1 / Math.sqrt(2 * Math.PI), x));
    return mul(dy, add(cumulative, mul(x, density)));
  },
  10,
);

export const Add = binaryOp("Add", (x, y) => x + y, (dy) => [dy, dy]);
export const Sub = binaryOp("Sub", (x, y) => x - y, (dy) => [dy, neg(dy)]);
export const Mul = binaryOp("Mul", (x, y) => x * y, (dy, a, b) => [mul(dy, b), mul(dy, a)]);
export const Div = binaryOp("Div", (x, y) => x / y, (dy, _a, b, y) => [div(dy, b), neg(mul(dy, div(y, b)))]);
/** The exponent takes no gradient: powers here are weights that carry none. */
export const Pow = binaryOp("Pow", Math.pow, (dy, a, b) => [mul(dy, mul(b, pow(a, sub(b, like(1, b))))), null]);
export const Greater = binaryOp("Greater", (x, y) => Number(x > y), "none", "bool");
export const GreaterOrEqual = binaryOp("GreaterOrEqual", (x, y) => Number(x >= y), "none", "bool");
export const Less = binaryOp("Less", (x, y) => Number(x < y), "none", "bool");
export const Equal = binaryOp("Equal", (x, y) => Number(x === y), "none", "bool");

/** Larger of two; where they are equal the gradient goes to the first. */
export const Max = binaryOp("Max", Math.max, (dy, a, b) => {
  const first = cast(greaterOrEqual(a, b), a.dtype);
  return [mul(dy, first), mul(dy, sub(like(1, a), first))];
});
/** Smaller of two; where they are equal the gradient goes to the first. */
export const Min = binaryOp("Min", Math.min, (dy, a, b) => {
  const first = cast(greaterOrEqual(b, a), a.dtype);
  return [mul(dy, first), mul(dy, sub(like(1, a), first))];
});

/** ONNX's Clip with both bounds; outside and at the bounds no gradient passes, as in ReLU6. */
export const Clip: Op<{ min: number; max: number }> = {
  name: "Clip",
  operands: { min: "input", max: "input" },
  type: ([x]) => x!,
  grad: (dy, [x], { min, max }) => [mul(dy, cast(mul2(greater(x!, like(min, x!)), less(x!, like(max, x!))), x!.dtype))],
  evaluate: ([x], { min, max }) => map(x!, x!.dtype, (v) => Math.min(Math.max(v, min), max)),
  operations: (_i, y) => 2 * sizeOf(y.shape),
};

export const And: Op<Empty> = binaryOp("And", (x, y) => x & y, "none", "bool");

export const Where: Op<Empty> = {
  name: "Where",
  type: ([condition, a, b]) => {
    if (condition!.dtype !== "bool") throw new GraphError("dtype-mismatch", `Where: condition of dtype ${condition!.dtype}`);
    return { dtype: commonDType("Where", [a!, b!]), shape: broadcastDims(condition!.shape, broadcastDims(a!.shape, b!.shape)) };
  },
  grad: (dy, [condition]) => [null, where(condition!, dy, like(0, dy)), where(condition!, like(0, dy), dy)],
  evaluate: ([condition, a, b], _a, { dtype, shape }) => {
    const out = allocate(dtype, elementCount(shape)) as Float64Array;
    const at = [condition!, a!, b!].map((t) => broadcastOffsets(t.shape, shape));
    for (let i = 0; i < out.length; i++) {
      const picked = condition!.data[at[0]![i]!] ? a!.data[at[1]![i]!] : b!.data[at[2]![i]!];
      (out as unknown as (number | bigint)[])[i] = picked!;
    }
    return { dtype, shape, data: out } as unknown as Tensor;
  },
  operations: (_i, y) => sizeOf(y.shape),
};

/** ONNX's codes of element types (onnx.proto, TensorProto.DataType). */
export const onnxDType: Readonly<Record<DType, number>> = { float32: 1, uint8: 2, int8: 3, int16: 5, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11, bfloat16: 16 };

const dtypeOf = new Map(Object.entries(onnxDType).map(([name, code]) => [code, name as DType]));

/** Conversion of dtype; gradients pass between float dtypes. */
export const Cast: Op<{ to: number }> = {
  name: "Cast",
  type: ([x], { to }) => {
    const dtype = dtypeOf.get(to);
    if (dtype === undefined) throw new GraphError("bad-attribute", `Cast: ${to} is not a dtype that this project knows`);
    return { dtype, shape: x!.shape };
  },
  grad: (dy, [x]) => [x!.dtype.startsWith("float") ? cast(dy, x!.dtype) : null],
  evaluate: ([x], _a, { dtype }) => castTensor(x!, dtype),
  operations: () => 0,
};

/** Passes its input on and lets no gradient back. */
export const StopGradient: Op<Empty> = {
  name: "Identity",
  type: ([x]) => x!,
  grad: "none",
  evaluate: ([x]) => x!,
  operations: () => 0,
};

const unary = (op: Op<Empty>) => (x: Value): Value => apply(op, [x], none);
const binary = (op: Op<Empty>) => (a: Value, b: Value): Value => apply(op, [a, b], none);

export const neg = unary(Neg);
export const exp = unary(Exp);
export const log = unary(Log);
export const sqrt = unary(Sqrt);
export const abs = unary(Abs);
export const sign = unary(Sign);
export const reciprocal = unary(Reciprocal);
export const relu = unary(Relu);
export const sigmoid = unary(Sigmoid);
export const tanh = unary(Tanh);
export const erfOf = unary(Erf);
export const gelu = unary(Gelu);
export const add = binary(Add);
export const sub = binary(Sub);
export const mul = binary(Mul);
export const div = binary(Div);
export const pow = binary(Pow);
export const max = binary(Max);
export const min = binary(Min);
export const greater = binary(Greater);
export const greaterOrEqual = binary(GreaterOrEqual);
export const less = binary(Less);
export const equal = binary(Equal);
const mul2 = binary(And);

/** Limits values to [min, max]. */
export function clip(x: Value, bounds: { min: number; max: number }): Value {
  return apply(Clip, [x], bounds);
}

/** `a` where the condition holds, else `b`. */
export function where(condition: Value, a: Value, b: Value): Value {
  return apply(Where, [condition, a, b], none);
}

/** The same values as another dtype. */
export function cast(x: Value, dtype: DType): Value {
  return x.dtype === dtype ? x : apply(Cast, [x], { to: onnxDType[dtype] });
}

/** The same value, a constant for the gradient. */
export function stopGradient(x: Value): Value {
  return apply(StopGradient, [x], none);
}

/** Sum of one or more values. */
export function addAll(values: readonly Value[]): Value {
  return values.reduce((sum, value) => add(sum, value));
}

/** Every elementwise operator, for tables of tests and for the reader. */
export const elementwiseOps = [
  Neg, Exp, Log, Sqrt, Abs, Sign, Reciprocal, Relu, Sigmoid, Tanh, Erf, Gelu, Add, Sub, Mul, Div, Pow, Max, Min,
  Greater, GreaterOrEqual, Less, Equal, And, Where, StopGradient, Clip, Cast,
] as unknown as readonly Op[];
