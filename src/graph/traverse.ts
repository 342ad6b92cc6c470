import type { Value } from "./value.js";

/** Every value that the outputs need, inputs before users. Iterative: training graphs are too deep for recursion. */
export function topologicalOrder(outputs: Iterable<Value>): Value[] {
  const order: Value[] = [];
  const state = new Map<Value, "open" | "done">();
  for (const output of outputs) {
    const stack: Value[] = [output];
    while (stack.length > 0) {
      const value = stack[stack.length - 1]!;
      const seen = state.get(value);
      if (seen === "done") {
        stack.pop();
      } else if (seen === "open") {
        state.set(value, "done");
        order.push(value);
        stack.pop();
      } else {
        state.set(value, "open");
        for (let i = value.inputs.length - 1; i >= 0; i--) {
          const next = value.inputs[i]!;
          if (!state.has(next)) stack.push(next);
        }
      }
    }
  }
  return order;
}
