import { evaluate, parametersOf } from "../graph/evaluate.js";
import { cast } from "../graph/ops/elementwise.js";
import { matMul } from "../graph/ops/matmul.js";
import { transpose } from "../graph/ops/structure.js";
import { mergeEqual, rewrite } from "../graph/rewrite.js";
import { topologicalOrder } from "../graph/traverse.js";
import { sizeOf } from "../graph/type.js";
import { Value } from "../graph/value.js";
import type { Precision } from "../bundle/model-config.js";
import type { Weights } from "../onnx/write-onnx.js";
import { castTensor } from "../tensor/cast.js";
import type { Tensor } from "../tensor/tensor.js";
import { quantiseProducts, quantiseTables, type StoredGraph } from "./quantise.js";

/** A graph made ready to run, and the values of its parameters, some of them computed from the checkpoint's. */
export interface InferenceGraph {
  readonly outputs: Readonly<Record<string, Value>>;
  readonly weights: Weights;
  /** Parameters that were computed from the checkpoint's, by name, with what computes them. */
  readonly folds: ReadonlyMap<string, Value>;
}

/** What depends on parameters alone is computed once, as long as the result is not much larger than what it comes from. */
const largestFolded = 4.5 * 1024 * 1024;

/**
 * Prepares a graph for inference: products with transposed weights become plain products with weights transposed once, and
 * what depends on weights alone is computed when the model is written. fp16 stores larger weights in half precision, to be
 * widened when the model is loaded; q8 brings products and tables to 8 bits.
 */
export function inferenceGraph(outputs: Readonly<Record<string, Value>>, weights: Weights, dtype: Precision): InferenceGraph {
  const names = Object.keys(outputs);
  const products = dtype === "q8" ? quantiseProducts(Object.values(outputs), weights) : { values: Object.values(outputs), made: none };
  const { folded, sources } = foldParameters(mergeEqual(plainProducts(products.values)));
  const given = keepLast((name) => products.made.get(name)?.() ?? weights(name));
  const plain: Weights = (name) => {
    const source = sources.get(name);
    return source === undefined ? given(name) : fold(source, given);
  };
  const { values, made } = dtype === "fp16" ? storeAsHalf(folded, plain) : dtype === "q8" ? quantiseTables(folded, plain) : { values: folded, made: none };
  return {
    outputs: Object.fromEntries(names.map((name, i) => [name, values[i]!])),
    weights: (name) => made.get(name)?.() ?? plain(name),
    folds: sources,
  };
}

const none: StoredGraph["made"] = new Map();

/** Remembers the last large weight: tables are cut into parts, one after the other. */
function keepLast(weights: Weights): Weights {
  let last: { name: string; tensor: Tensor } | null = null;
  return async (name) => {
    if (last?.name === name) return last.tensor;
    const tensor = await weights(name);
    if (tensor.data.byteLength > largestFolded) last = { name, tensor };
    return tensor;
  };
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

function foldParameters(outputs: readonly Value[]): { folded: Value[]; sources: Map<string, Value> } {
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
  return { folded: values, sources };
}

/** Small parameters (norms, biases, scales) stay in full precision. */
const smallestHalved = 2048;

function storeAsHalf(outputs: readonly Value[], weights: Weights): StoredGraph {
  const made = new Map<string, () => Promise<Tensor>>();
  const values = rewrite(outputs, (value) => {
    const source = value.source;
    if (source?.kind !== "parameter" || value.dtype !== "float32" || sizeOf(value.shape) < smallestHalved) return null;
    made.set(source.name, async () => castTensor(await weights(source.name), "float16"));
    return cast(Value.leaf({ dtype: "float16", shape: value.shape }, source), "float32");
  });
  return { values, made };
}
