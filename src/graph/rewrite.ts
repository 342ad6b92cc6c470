import { topologicalOrder } from "./traverse.js";
import { Value } from "./value.js";

/**
 * Rebuilds the graph below `outputs`, inputs first. `rule` sees each value with its rebuilt inputs and gives what takes
 * its place, or null to keep it. Values whose inputs did not change stay identical.
 */
export function rewrite(outputs: readonly Value[], rule: (value: Value, original: Value) => Value | null): Value[] {
  const rebuilt = new Map<Value, Value>();
  for (const original of topologicalOrder(outputs)) {
    const inputs = original.inputs.map((x) => rebuilt.get(x)!);
    const same = inputs.every((x, i) => x === original.inputs[i]);
    const value = same || original.op === null ? original : Value.of(original.op, inputs, original.attributes);
    rebuilt.set(original, rule(value, original) ?? value);
  }
  return outputs.map((output) => rebuilt.get(output)!);
}

/** Merges values that are computed alike: same operator, attributes and inputs. */
export function mergeEqual(outputs: readonly Value[]): Value[] {
  const ids = new Map<Value, number>();
  const known = new Map<string, Value>();
  const idOf = (value: Value): number => {
    const id = ids.get(value) ?? ids.size;
    ids.set(value, id);
    return id;
  };
  return rewrite(outputs, (value) => {
    const source = value.source;
    if (source?.kind === "constant" && source.tensor.data.length > 8) return null;
    const key =
      value.op !== null
        ? `${value.op.domain ?? ""}${value.op.name}(${value.inputs.map(idOf).join()})${JSON.stringify(value.attributes)}`
        : source!.kind === "constant"
          ? `${value.dtype}${value.shape.join()}:${[...source!.tensor.data].join()}`
          : `${source!.kind} ${source!.name}`;
    const earlier = known.get(key);
    if (earlier !== undefined) return earlier;
    known.set(key, value);
    return null;
  });
}
