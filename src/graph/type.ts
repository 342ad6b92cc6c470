import type { DType } from "../tensor/dtype.js";
import { formatShape } from "../tensor/shape.js";
import { GraphError } from "./graph-error.js";

/**
 * Size of an axis: a number, or a size known only at run time, written as its name ("batch") or
 * as a whole multiple of it ("9*batch").
 */
export type Dim = number | string;
export type Dims = readonly Dim[];

/** What is known of a value before it is computed. */
export interface ValueType {
  readonly dtype: DType;
  readonly shape: Dims;
}

interface Multiple {
  readonly factor: number;
  readonly symbol: string | null;
}

function parse(dim: Dim): Multiple {
  if (typeof dim === "number") return { factor: dim, symbol: null };
  const star = dim.indexOf("*");
  return star < 0 ? { factor: 1, symbol: dim } : { factor: Number(dim.slice(0, star)), symbol: dim.slice(star + 1) };
}

function format({ factor, symbol }: Multiple): Dim {
  if (symbol === null || factor === 0) return factor;
  return factor === 1 ? symbol : `${factor}*${symbol}`;
}

/** Product of sizes; at most one of them may be symbolic. */
export function productOf(dims: Dims): Dim {
  let factor = 1;
  let symbol: string | null = null;
  for (const dim of dims) {
    const part = parse(dim);
    if (part.symbol !== null && symbol !== null) throw new GraphError("symbolic-size", `product of two symbolic sizes in ${formatShape(dims)}`);
    factor *= part.factor;
    symbol = part.symbol ?? symbol;
  }
  return format({ factor, symbol });
}

/** Exact quotient of two sizes, or null where there is none. */
export function quotient(a: Dim, b: Dim): Dim | null {
  const x = parse(a);
  const y = parse(b);
  if (y.factor === 0 || x.factor % y.factor !== 0) return null;
  if (y.symbol === null) return format({ factor: x.factor / y.factor, symbol: x.symbol });
  return y.symbol === x.symbol ? x.factor / y.factor : null;
}

/** The shape as numbers. Throws a GraphError where a size is symbolic. */
export function staticShape(shape: Dims, what: string): number[] {
  return shape.map((dim) => {
    if (typeof dim !== "number") throw new GraphError("symbolic-size", `${what} needs sizes that are known, received ${formatShape(shape)}`);
    return dim;
  });
}

export function sameDims(a: Dims, b: Dims): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** The shape that NumPy's broadcasting rules give; symbolic sizes broadcast only with themselves and 1. */
export function broadcastDims(a: Dims, b: Dims): Dim[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw new GraphError("shape-mismatch", `shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast`);
  });
}

/** Number of elements with every symbolic size taken as `symbol` (1 where not given); for counts of work. */
export function sizeOf(shape: Dims, symbol = 1): number {
  let size = 1;
  for (const dim of shape) {
    const part = parse(dim);
    size *= part.factor * (part.symbol === null ? 1 : symbol);
  }
  return size;
}
