import { open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { graphFiles, readModelFolder } from "../bundle/model-folder.js";
import { verifyGraphs } from "../bundle/verify-graphs.js";
import { inferenceGraph } from "../convert/inference-graph.js";
import { evaluate, parametersOf } from "../graph/evaluate.js";
import { Params } from "../graph/params.js";
import type { Value } from "../graph/value.js";
import { hasSideNetwork, type RamConfig } from "../model/config.js";
import { ramGraphs } from "../model/ram-plus.js";
import { readOnnx } from "../onnx/read-onnx.js";
import { castTensor } from "../tensor/cast.js";
import { byteSize, viewAs, type DType } from "../tensor/dtype.js";
import { elementCount, type Shape } from "../tensor/shape.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import { indexTags } from "../vocab/tag-index.js";
import type { Tag } from "../vocab/tag.js";
import { initialWeights } from "./initial-weights.js";
import { tagTables } from "./tag-tables.js";
import { parseNetwork } from "./train-config.js";
import { TrainError } from "./train-error.js";

/** A model folder as a checkpoint: its weights under the network's names. */
export interface ModelStart {
  readonly model: RamConfig;
  readonly tags: readonly Tag[];
  /** Of the weights in the folder. */
  readonly dtype: "fp32" | "fp16";
  /** float32; those that the folder has in half precision, widened. */
  readonly weights: ReadonlyMap<string, Tensor<"float32">>;
}

/**
 * Reads a model folder's weights back out of its graphs. What was moved about when they were written (transposed, reshaped,
 * raised to e) is moved back. Throws a BundleError for a damaged folder, a TrainError (missing-weight) for weights that the
 * graphs do not have one by one any more: those of a Swin encoder and of 8 bits, for which the checkpoint is needed.
 */
export const readModelStart = (folder: string): Promise<ModelStart> => readStart(folder, ["vision", "tagging"]);

/** The same without the encoder and `image_proj`, whatever the encoder is. */
export const readHeadStart = (folder: string): Promise<ModelStart> => readStart(folder, ["tagging"]);

async function readStart(folder: string, which: readonly ("vision" | "tagging")[]): Promise<ModelStart> {
  const read = await readModelFolder(folder);
  const dtype = (["fp32", "fp16"] as const).find((each) => read.config.dtypes.includes(each));
  if (dtype === undefined) throw new TrainError("missing-weight", `${folder}: has its weights in 8 bits alone; start from the checkpoint, or convert it with --dtype fp16`);
  await verifyGraphs(read, dtype);
  const model: RamConfig = { modelType: read.config.modelType, tags: read.tags.length, ...parseNetwork(read.config.network, join(folder, "config.json")) };
  const p = Params.root();
  const graphs = ramGraphs(p, model);
  const files = graphFiles(folder, dtype);
  const weights = new Map<string, Tensor<"float32">>();
  for (const graph of which) {
    const [file, outputs] = [files[graph], { ...graphs[graph] }];
    const written = inferenceGraph(outputs, noWeights, dtype);
    const stored = await storedTensors(file);
    for (const [name, { shape }] of parametersOf(Object.values<Value>(outputs))) {
      const plain = stored.get(name);
      const whole = plain ?? unfolded(name, shape as Shape, written.folds, stored);
      if (whole === null || elementCount(whole.shape) !== elementCount(shape as Shape)) throw new TrainError("missing-weight", `${file}: weight ${name} cannot be read back; start from the checkpoint that the folder was made of`);
      weights.set(name, { ...castTensor(whole, "float32"), shape: shape as Shape });
    }
  }
  return { model, tags: read.tags, weights, dtype };
}

function noWeights(name: string): never {
  throw new TrainError("missing-weight", `weight ${name} is asked for before it is read`);
}

/** The tensors of a graph's parameters, by name. */
async function storedTensors(file: string): Promise<Map<string, Tensor>> {
  const { outputs, weights } = readOnnx(await readFile(file));
  const found = new Map<string, Tensor>();
  for (const [name, { dtype, shape }] of parametersOf([...outputs.values()])) {
    const stored = weights.get(name)!;
    found.set(name, "dtype" in stored ? stored : await external(join(dirname(file), stored.location), stored, dtype, shape as Shape));
  }
  return found;
}

async function external(file: string, { offset, length }: { readonly offset: number; readonly length: number }, dtype: DType, shape: Shape): Promise<Tensor> {
  const bytes = new Uint8Array(length);
  await using handle = await open(file, "r");
  await handle.read(bytes, 0, length, offset);
  return { dtype, shape, data: viewAs(dtype, bytes.buffer, 0, length / byteSize(dtype)) } as Tensor;
}

/** A weight out of what was computed from it alone; null: that cannot be undone. */
function unfolded(name: string, shape: Shape, folds: ReadonlyMap<string, Value>, stored: ReadonlyMap<string, Tensor>): Tensor | null {
  for (const [fold, source] of folds) {
    const own = stored.get(fold);
    const parameters = parametersOf([source]);
    if (own === undefined || parameters.size !== 1 || !parameters.has(name)) continue;
    const values = castTensor(own, "float32").data;
    const count = elementCount(shape);
    const apply = (data: ArrayLike<number>): ArrayLike<number> => evaluate([source], new Map([[name, float32(shape, data)]]))[0]!.data as ArrayLike<number>;
    if (count === 1) {
      const [zero, one] = [apply([0])[0]!, apply([1])[0]!];
      return float32(shape, [zero === 0 && one === 1 ? values[0]! : zero === 1 && Math.abs(one - Math.E) < 1e-5 ? Math.log(values[0]!) : NaN]);
    }
    // Places as values show where each went; float32 counts to 16 million.
    if (count > 2 ** 24) continue;
    const places = apply(Float32Array.from({ length: count }, (_, i) => i));
    const back = new Float32Array(count).fill(NaN);
    for (let i = 0; i < places.length; i++) back[places[i]!] = values[i]!;
    if (places.length === count && !back.some(Number.isNaN)) return { dtype: "float32", shape, data: back };
  }
  return null;
}

/**
 * Weights for a network of the same sizes over another vocabulary: tags keep their rows and biases (`tagTables`) by name or alias; a new one
 * begins with the mean of the tags that imply it, or that it implies, else somewhere. Throws a TrainError (wrong-weight) for
 * other sizes.
 */
export function startFromModel(model: RamConfig, tags: readonly Tag[], start: ModelStart, seed: number): Map<string, Tensor> {
  const { encoder: _e, tags: _t, ...sizes } = model;
  const { encoder, tags: _s, ...given } = start.model;
  if (JSON.stringify(sortedSizes(sizes)) !== JSON.stringify(sortedSizes(given)) || encoder.kind !== model.encoder.kind || hasSideNetwork(encoder) !== hasSideNetwork(model.encoder)) throw new TrainError("wrong-weight", `the model to start from has sizes ${JSON.stringify({ encoder, ...given })}; the configuration asks for ${JSON.stringify({ encoder: model.encoder, ...sizes })}`);
  const fresh = initialWeights(model, seed);
  const weights = new Map<string, Tensor>([...fresh, ...start.weights]);
  const before = indexTags(start.tags);
  const known = tags.map(({ en, aliases = [] }) => [en, ...aliases].map((name) => before.byName(name)).find((tag) => tag !== undefined)?.id ?? null);
  const index = indexTags(tags);
  const children = tags.map((): number[] => []);
  const parents = tags.map((tag) => [...index.impliedBy(tag)]);
  parents.forEach((ids, id) => ids.forEach((parent) => children[parent]!.push(id)));
  const kinOf = tags.map(({ id }) => {
    const own = known[id];
    return own !== null && own !== undefined ? [own] : [children[id]!, parents[id]!].map((ids) => ids.flatMap((each) => known[each] ?? [])).find((ids) => ids.length > 0);
  });
  for (const [name, block] of tagTables(model)) {
    const [table, old] = [fresh.get(name), start.weights.get(name)?.data];
    if (table === undefined || old === undefined) continue;
    kinOf.forEach((kin, id) => {
      if (kin === undefined) return;
      for (let i = 0; i < block; i++) table.data[id * block + i] = kin.reduce((sum, each) => sum + old[each * block + i]!, 0) / kin.length;
    });
    weights.set(name, table);
  }
  return weights;
}

const sortedSizes = (sizes: object): unknown => Object.entries(sizes).map(([key, value]) => [key, typeof value === "object" && value !== null ? sortedSizes(value as object) : value] as const).sort(([a], [b]) => (a < b ? -1 : 1));
