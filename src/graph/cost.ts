import { byteSize } from "../tensor/dtype.js";
import { topologicalOrder } from "./traverse.js";
import { sizeOf } from "./type.js";
import type { Value } from "./value.js";

export interface Cost {
  /** Arithmetic operations; a multiply-add counts as two. */
  readonly operations: number;
  /** Bytes read and written if every operator reads its inputs and writes its output once. */
  readonly bytes: number;
  /** Values of all parameters. */
  readonly parameters: number;
}

/** Counts the work of computing `outputs` once, with symbolic sizes taken as `symbol`. */
export function costOf(outputs: readonly Value[], symbol = 1): Cost {
  let [operations, bytes, parameters] = [0, 0, 0];
  const size = (value: Value): number => sizeOf(value.shape, symbol);
  for (const value of topologicalOrder(outputs)) {
    if (value.source?.kind === "parameter") parameters += size(value);
    if (value.op === null) continue;
    const numeric = (v: Value) => ({ dtype: v.dtype, shape: v.shape.map((dim) => sizeOf([dim], symbol)) });
    operations += value.op.operations(value.inputs.map(numeric), numeric(value), value.attributes);
    bytes += [value, ...value.inputs].reduce((sum, v) => sum + size(v) * byteSize(v.dtype), 0);
  }
  return { operations, bytes, parameters };
}
