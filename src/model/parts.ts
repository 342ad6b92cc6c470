import { slice } from "../graph/ops/structure.js";
import type { Value } from "../graph/value.js";

/** The value cut along an axis into equal parts of at most `most` places; whole where its size is known at run time only. */
export function inParts(x: Value, axis: number, most: number): Value[] {
  const size = x.shape[axis]!;
  if (typeof size !== "number" || size <= most) return [x];
  const count = Math.ceil(size / most);
  const starts = Array.from({ length: count + 1 }, (_, i) => Math.round((i * size) / count));
  return starts.slice(1).map((end, i) => slice(x, axis, starts[i]!, end));
}
