import { evaluate, parametersOf } from "../graph/evaluate.js";
import { cast } from "../graph/ops/elementwise.js";
import { matMul } from "../graph/ops/matmul.js";
import { transpose } from "../graph/ops/structure.js";
import { mergeEqual, rewrite } from "../graph/rewrite.js";
import { topologicalOrder } from "../graph/traverse.js";
import { sizeOf } from "../graph/type.js";
import { Value } from "../graph/value.js";
import type { Weights } from "../onnx/write-onnx.js";
import { castTensor } from "../tensor/cast.js";
import type { Tensor } from "../tensor/tensor.js";

/** A graph made ready to run, and the values of its parameters, some of them computed from the checkpoint's. */
export interface InferenceGraph {
  readonly outputs: Readonly<Record<string, Value>>;
  readonly weights: Weights;
}

/** What depends on parameters alone is computed once, as long as the result is not much larger than what it comes from. */
const largestFolded = 4.5 * 1024 * 1024;

/**
 * Prepares a graph for inference: products with transposed weights become plain products with weights transposed once, and
 * what depends on weights alone is computed when the model is written. `half` stores larger weights in half precision, to
 * be widened when the model is loaded.
 */
export function inferenceGraph(outputs: Readonly<Record<string, Value>>, weights: Weights, { half = false } = {}): InferenceGraph {
  const names = Object.keys(outputs);
  const plain = plainProducts(Object.values(outputs));
  const { folded, sources } = foldParameters(mergeEqual(plain));
  const stored = half ? storeAsHalf(folded) : folded;
  const provide: Weights = async (name) => {
    const source = sources.get(name);
    const tensor = source === undefined ? await weights(name) : await fold(source, weights);
    return half && stored.halved.has(name) ? castTensor(tensor, "float16") : tensor;
  };
  return { outputs: Object.fromEntries(names.map((name, i) => [name, stored.values[i]!])), weights: provide };
}

async function fold(source: Value, weights: Weights): Promise<Tensor> {
  const data = new Map<string, Tensor>();
  for (const name of parametersOf([source]).keys()) data.set(name, await weights(name));
  return evaluate([source], data)[0]!;
}

/** FusedMatMul(x, W, transB) with a weight matrix used nowhere else becomes MatMul(x, Wᵀ): an operator that every backend has. */
function plainProducts(outputs: readonly Value[]): Value[] {
  const uses = new Map<Value, number>();
  for (const value of topologicalOrder(outputs)) for (const x of value.inputs) uses.set(x, (uses.get(x) ?? 0) + 1);
  return rewrite(outputs, (value, original) => {
    const { transA, transB, alpha } = value.attributes;
    const [, right] = original.inputs;
    const isWeight = right?.rank === 2 && parametersOf([right]).size > 0 && topologicalOrder([right]).every((x) => x.source?.kind !== "input");
    if (value.op?.name !== "FusedMatMul" || transA || !transB || alpha !== 1 || !isWeight || uses.get(right!) !== 1) return null;
    return matMul(value.inputs[0]!, transpose(value.inputs[1]!, [1, 0]));
  });
}

function foldParameters(outputs: readonly Value[]): { folded: { values: Value[]; halved: Set<string> }; sources: Map<string, Value> } {
  const order = topologicalOrder(outputs);
  const fixed = new Set<Value>();
  const uses = new Map<Value, Value[]>();
  for (const value of order) {
    if (value.source !== null ? value.source.kind !== "input" : value.inputs.every((x) => fixed.has(x))) fixed.add(value);
    for (const x of value.inputs) uses.set(x, [...(uses.get(x) ?? []), value]);
  }
  const bytes = (value: Value): number => 4 * sizeOf(value.shape);
  const ownBytes = (value: Value): number => [...parametersOf([value]).values()].reduce((sum, p) => sum + bytes(p), 0);
  const sharedWeights = (value: Value): boolean => [...parametersOf([value]).values()].some((p) => bytes(p) > largestFolded && (uses.get(p)?.length ?? 0) > 1);
  const worthFolding = (value: Value): boolean =>
    value.op !== null && fixed.has(value) && parametersOf([value]).size > 0 && !sharedWeights(value) && bytes(value) <= Math.max(largestFolded, ownBytes(value));
  // Folded where a value that cannot be folded reads it: the largest parts, each once.
  const boundary = new Set<Value>();
  for (const value of order) {
    if (worthFolding(value) && (outputs.includes(value) || (uses.get(value) ?? []).some((user) => !worthFolding(user)))) boundary.add(value);
  }
  const sources = new Map<string, Value>();
  const taken = new Set(parametersOf(outputs).keys());
  const values = rewrite(outputs, (_value, original) => {
    if (!boundary.has(original)) return null;
    const parameters = [...parametersOf([original]).keys()];
    const base = `${parameters[0]}.folded`;
    let name = base;
    for (let i = 2; taken.has(name); i++) name = `${base}_${i}`;
    taken.add(name);
    sources.set(name, original);
    return Value.leaf(original.type, { kind: "parameter", name });
  });
  return { folded: { values, halved: new Set() }, sources };
}

/** Small parameters (norms, biases, scales) stay in full precision. */
const smallestHalved = 2048;

function storeAsHalf({ values }: { values: Value[] }): { values: Value[]; halved: Set<string> } {
  const halved = new Set<string>();
  const result = rewrite(values, (value) => {
    if (value.source?.kind !== "parameter" || value.dtype !== "float32" || sizeOf(value.shape) < smallestHalved) return null;
    halved.add(value.source.name);
    return cast(Value.leaf({ dtype: "float16", shape: value.shape }, value.source), "float32");
  });
  return { values: result, halved };
}
