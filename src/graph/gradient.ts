import { formatShape } from "../tensor/shape.js";
import { GraphError } from "./graph-error.js";
import { add, stopGradient } from "./ops/elementwise.js";
import { reduceSum } from "./ops/reduce.js";
import { reshape } from "./ops/structure.js";
import { topologicalOrder } from "./traverse.js";
import { sameDims, type Dims } from "./type.js";
import { scalar, type Value } from "./value.js";

/** Sums the axes along which a value of shape `from` was repeated to give the shape of `x`. */
function sumTo(x: Value, from: Dims): Value {
  if (sameDims(x.shape, from)) return x;
  const lead = x.rank - from.length;
  const axes = x.shape.flatMap((dim, axis) => (axis < lead || (from[axis - lead] === 1 && dim !== 1) ? [axis] : []));
  return reshape(axes.length === 0 ? x : reduceSum(x, axes, { keepDims: true }), from);
}

/**
 * Gradients of a scalar `loss` with respect to each value of `wanted` by reverse accumulation (Griewank & Walther 2008,
 * ch. 3): a graph beside the forward graph. A value that the loss does not depend on gets null. Values with no path to a
 * wanted one are skipped, so index and mask operators need no rule. Throws a GraphError naming an operator without one.
 */
export function gradients(loss: Value, wanted: readonly Value[]): (Value | null)[] {
  if (loss.rank !== 0) throw new GraphError("shape-mismatch", `gradients of a loss of shape ${formatShape(loss.shape)}: expected a scalar`);
  const order = topologicalOrder([loss]);
  const leads = new Set<Value>(wanted);
  for (const value of order) {
    if (value.op !== stopGradientOp && value.inputs.some((x) => leads.has(x))) leads.add(value);
  }
  const parts = new Map<Value, Value[]>([[loss, [scalar(1, loss.dtype)]]]);
  const totals = new Map<Value, Value>();
  for (let i = order.length - 1; i >= 0; i--) {
    const y = order[i]!;
    const received = parts.get(y);
    if (!leads.has(y) || received === undefined) continue;
    const dy = received.reduce((sum, part) => add(sum, part));
    totals.set(y, dy);
    if (y.op === null) continue;
    const { grad } = y.op;
    if (grad === "none") throw new GraphError("no-gradient", `${y.op.name} has no gradient, but lies between the loss and a wanted parameter`);
    const flows = grad(dy, y.inputs, y.attributes, y);
    y.inputs.forEach((x, at) => {
      const flow = flows[at];
      if (!leads.has(x) || flow === null || flow === undefined) return;
      const exact = sumTo(flow, x.shape);
      const list = parts.get(x);
      if (list) list.push(exact);
      else parts.set(x, [exact]);
    });
  }
  return wanted.map((value) => totals.get(value) ?? null);
}

const stopGradientOp = stopGradient(scalar(0)).op;
