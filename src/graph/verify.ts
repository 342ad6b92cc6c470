import { GraphError } from "./graph-error.js";
import { inputsOf, parametersOf } from "./evaluate.js";
import { topologicalOrder } from "./traverse.js";
import { sameDims } from "./type.js";
import type { Value } from "./value.js";

/**
 * Checks a graph after a transformation: every type is what its operator's rule gives, leaves of one name agree, and
 * no name is both input and parameter. Throws a GraphError naming the first value that is wrong.
 */
export function verify(outputs: Readonly<Record<string, Value>>): void {
  const values = Object.values(outputs);
  for (const value of topologicalOrder(values)) {
    if (value.op === null) {
      if (value.source === null) throw new GraphError("invalid-graph", "a value has neither operator nor source");
      continue;
    }
    const type = value.op.type(
      value.inputs.map((x) => x.type),
      value.attributes,
    );
    if (type.dtype !== value.dtype || !sameDims(type.shape, value.shape)) throw new GraphError("invalid-graph", `${value}: its operator's type rule gives ${type.dtype}[${type.shape.join(", ")}]`);
  }
  const parameters = parametersOf(values);
  for (const name of inputsOf(values).keys()) {
    if (parameters.has(name)) throw new GraphError("invalid-graph", `${name} is both an input and a parameter`);
  }
}
