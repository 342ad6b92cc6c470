import { formatShape, sameShape, type Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { GraphError } from "./graph-error.js";
import { topologicalOrder } from "./traverse.js";
import { input, Value } from "./value.js";

/**
 * Evaluates outputs by the operators' own definitions: slow, for tests and for folding constants. `data` holds the
 * tensors of inputs and parameters by name. Throws a GraphError where one is missing or of another type.
 */
export function evaluate(outputs: readonly Value[], data: ReadonlyMap<string, Tensor> = new Map()): Tensor[] {
  const results = new Map<Value, Tensor>();
  for (const value of topologicalOrder(outputs)) {
    results.set(value, value.op === null ? leaf(value, data) : node(value, results));
  }
  return outputs.map((output) => results.get(output)!);
}

function leaf(value: Value, data: ReadonlyMap<string, Tensor>): Tensor {
  const source = value.source!;
  if (source.kind === "constant") return source.tensor;
  const given = data.get(source.name);
  if (given === undefined) throw new GraphError("missing-input", `${source.kind} ${source.name} has no data`);
  const fits = given.dtype === value.dtype && given.shape.length === value.rank && value.shape.every((dim, axis) => typeof dim === "string" || dim === given.shape[axis]);
  if (!fits) throw new GraphError("shape-mismatch", `${source.kind} ${source.name}: expected ${value.dtype}${formatShape(value.shape)}, received ${given.dtype}${formatShape(given.shape)}`);
  return given;
}

function node(value: Value, results: ReadonlyMap<Value, Tensor>): Tensor {
  const inputs = value.inputs.map((x) => results.get(x)!);
  // The type rule, run again on the sizes of the data, resolves what was symbolic.
  const type = value.op!.type(inputs, value.attributes);
  return value.op!.evaluate(inputs, value.attributes, { dtype: type.dtype, shape: type.shape as Shape });
}

/** The leaf inputs that outputs need, by name. Throws where one name has two types. */
export function inputsOf(outputs: readonly Value[]): Map<string, Value> {
  return leavesOf(outputs, "input");
}

/** The parameters that outputs need, by name, in the order of their first use. */
export function parametersOf(outputs: readonly Value[]): Map<string, Value> {
  return leavesOf(outputs, "parameter");
}

function leavesOf(outputs: readonly Value[], kind: "input" | "parameter"): Map<string, Value> {
  const found = new Map<string, Value>();
  for (const value of topologicalOrder(outputs)) {
    if (value.source?.kind !== kind) continue;
    const earlier = found.get(value.source.name);
    if (earlier !== undefined && (earlier.dtype !== value.dtype || !sameShape(earlier.shape as Shape, value.shape as Shape))) {
      throw new GraphError("invalid-graph", `${kind} ${value.source.name} occurs as ${earlier} and as ${value}`);
    }
    if (earlier === undefined) found.set(value.source.name, value);
  }
  return found;
}

/** An input with the type of a given value. */
export function inputLike(name: string, value: Value): Value {
  return input(name, value.dtype, value.shape);
}
