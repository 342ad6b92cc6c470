import { open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { averagePrecision } from "../eval/average-precision.js";
import { bankGraphFile, readModelFolder } from "../bundle/model-folder.js";
import { modelId } from "../bundle/model-id.js";
import { verifyBankGraph } from "../bundle/verify-graphs.js";
import { gradients } from "../graph/gradient.js";
import { GraphError } from "../graph/graph-error.js";
import { add, mul, sub } from "../graph/ops/elementwise.js";
import { reduceSum } from "../graph/ops/reduce.js";
import { parametersOf } from "../graph/evaluate.js";
import { rewrite } from "../graph/rewrite.js";
import { constant, input, scalar, Value } from "../graph/value.js";
import { readOnnx, type OnnxGraph } from "../onnx/read-onnx.js";
import { encodeOnnx } from "../onnx/write-onnx.js";
import { openSession } from "../runtime/session.js";
import type { Tagger } from "../tagger/tagger.js";
import { byteSize, viewAs } from "../tensor/dtype.js";
import { float32, zeros, type Tensor } from "../tensor/tensor.js";
import type { BankOrigin, BankTag } from "../vocab/tag-bank.js";
import { defaultAdamW } from "./adamw.js";
import { stepFeedback, stepNumbers, stepScalars, updateOutputs } from "./adamw-step.js";
import { asymmetricLoss } from "./losses.js";
import { cosineRate } from "./schedules.js";
import { TrainError } from "./train-error.js";

export interface TeachOptions {
  /** Chinese name. @default the tag itself */
  readonly zh?: string;
  /**
   * Features of everyday photos (`readBackground`), so that the tag is told apart from everything and not from `negatives`
   * alone. They count as much as `negatives`, and have a part in the threshold, but none in the other figures. @default none
   */
  readonly background?: readonly Tensor<"float32">[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (step: number, steps: number) => void;
}

/** How well a tag was learned, by photos that each took no part in the learning that they are judged by. */
export interface TeachReport {
  /** Photos with and without the tag. */
  readonly positives: number;
  readonly negatives: number;
  /** Parts that the photos were divided into; equal to `positives` up to ten, so that each positive is left out alone. */
  readonly folds: number;
  /** Average precision of the photos left out, and that of a random order. */
  readonly ap: number;
  readonly chance: number;
  /** At the threshold, which is that of their best F1, the background's photos counted in. */
  readonly threshold: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Scores of the photos left out: those with the tag, then those without, in the order given. */
  readonly scores: readonly number[];
}

export interface TaughtTag {
  readonly tag: BankTag;
  /** The model that the tag belongs to. */
  readonly origin: BankOrigin;
  readonly width: number;
  readonly report: TeachReport;
}

const steps = 150;
/** Learning rate, ten times that for the bias. */
const rate = 0.01;
/** Pull towards the start: ten photos say little about a direction of hundreds of numbers. */
const pull = 0.02;
const mostFolds = 10;
const headScope = "head/";

const least = { positives: 3, negatives: 3 };

/**
 * Learns one tag from photos' features (`Tagger.features`): a row, and a bias where the model has them, by gradients through
 * the model's own head, which stays as it is. Tags do not see each other, so that the folds of the cross-validation are learned
 * in one go, as tags of their own. Throws a TrainError (too-few-photos; no-gradient for a model that has its head in 8 bits
 * alone), a BundleError (no-bank-graph), and the signal's reason when aborted.
 */
export async function teachTag(tagger: Tagger, name: string, positives: readonly Tensor<"float32">[], negatives: readonly Tensor<"float32">[], { zh = name, background = [], signal, onProgress }: TeachOptions = {}): Promise<TaughtTag> {
  if (positives.length < least.positives || negatives.length < least.negatives) throw new TrainError("too-few-photos", `${name}: ${positives.length} photos with the tag and ${negatives.length} without; at least ${least.positives} and ${least.negatives} are needed, ten and more are better`);
  const photos = [...positives, ...negatives, ...background];
  const groups = [positives, negatives, background];
  const groupOf = groups.flatMap((group, g) => group.map(() => g));
  const [tokens, width] = photos[0]!.shape as [number, number];
  const folds = Math.min(mostFolds, positives.length, negatives.length);
  // Photos of each kind go to the folds by turns; the last column learns from all of them.
  const foldOf = groups.flatMap((group) => group.map((_, i) => i % folds));
  const columns = folds + 1;
  const shares = [0.5, background.length === 0 ? 0.5 : 0.25, 0.25];
  const weights = photos.flatMap((_, i) => Array.from({ length: columns }, (_unused, column) => (column === foldOf[i] ? 0 : shares[groupOf[i]!]! / groups[groupOf[i]!]!.length)));
  const start = Float32Array.from({ length: columns * width });
  for (let column = 0; column < columns; column++) start.set(startRow(photos, positives.length, (i) => foldOf[i] !== column), column * width);

  const model = await readModelFolder(tagger.folder);
  const graph = await teachGraph(model, columns, photos.length, [tokens, width]);
  const session = await openSession({ bytes: await encodeOnnx(graph.outputs, graph.weights) }, { device: "cpu" });
  try {
    const embeds = new Float32Array(photos.length * tokens * width);
    photos.forEach((photo, i) => embeds.set(photo.data, i * tokens * width));
    const targets = photos.flatMap((_, i) => new Array<number>(columns).fill(i < positives.length ? 1 : 0));
    const state: Record<string, Tensor> = {
      image_embeds: { dtype: "float32", shape: [photos.length, tokens, width], data: embeds },
      weights: float32([photos.length, columns], weights),
      targets: float32([photos.length, columns], targets),
      start: { dtype: "float32", shape: graph.rowShape, data: start.slice() },
      label_embed: { dtype: "float32", shape: graph.rowShape, data: start },
      ...(graph.biased && { label_bias: float32([columns], new Array<number>(columns).fill(0)) }),
    };
    for (const name of graph.trained) for (const moment of ["momentum", "variance"]) state[`${moment}/${name}`] = zeros("float32", state[name]!.shape);
    const loop = await session.loop(state, stepFeedback(graph.trained));
    let logits = new Float32Array();
    for (let step = 1; step <= steps; step++) {
      signal?.throwIfAborted();
      // The rate falls to 0 along half a cosine, so that the end does not depend on the last step.
      const results = await loop.step(stepNumbers(cosineRate(step - 1, steps, rate, 0), step, defaultAdamW));
      logits = results["logits"]!.data as Float32Array<ArrayBuffer>;
      onProgress?.(step, steps);
    }
    const learned = await loop.state();
    const scores = photos.map((_, i) => 1 / (1 + Math.exp(-logits[i * columns + foldOf[i]!]!)));
    const report = reportOf(scores, positives.length, negatives.length, folds);
    const bias = learned["label_bias"]?.data[columns - 1];
    const rows = (learned["label_embed"]!.data as Float32Array).slice(-width);
    const tag: BankTag = { en: name, zh, threshold: report.threshold, rows, ...(bias !== undefined && { bias: Number(bias) }) };
    return { tag, origin: { kind: "model", id: await modelId(model, signal) }, width, report };
  } finally {
    await session.dispose();
  }
}

/** The direction from the mean of the photos without the tag to that of those with it, by their pooled tokens' directions, of unit length. */
function startRow(photos: readonly Tensor<"float32">[], positives: number, taken: (i: number) => boolean): Float32Array {
  const width = photos[0]!.shape[1]!;
  const [sums, counts] = [[new Float64Array(width), new Float64Array(width)], [0, 0]];
  photos.forEach(({ data }, i) => {
    if (!taken(i)) return;
    const side = i < positives ? 0 : 1;
    const pooled = data.subarray(0, width);
    const length = Math.hypot(...pooled);
    pooled.forEach((v, j) => (sums[side]![j]! += v / length));
    counts[side]!++;
  });
  const direction = sums[0]!.map((v, j) => v / counts[0]! - sums[1]![j]! / counts[1]!);
  const length = Math.hypot(...direction);
  return Float32Array.from(direction, (v) => v / length);
}

interface TeachGraph {
  /** `logits` [photos, columns] before the step, and the next state. */
  readonly outputs: Readonly<Record<string, Value>>;
  readonly weights: (name: string) => Promise<Tensor>;
  readonly trained: readonly string[];
  readonly biased: boolean;
  readonly rowShape: readonly number[];
}

/** One step of learning, from the head's own graph: its inputs for tags become what is learned. */
async function teachGraph(model: Awaited<ReturnType<typeof readModelFolder>>, columns: number, photos: number, [tokens, width]: readonly [number, number]): Promise<TeachGraph> {
  const dtype = (["fp32", "fp16"] as const).find((each) => model.config.dtypes.includes(each));
  if (dtype === undefined) throw new TrainError("no-gradient", `${model.folder}: a tag is learned with the head in fp32 or fp16; this folder has ${model.config.dtypes.join(", ")} alone: convert the checkpoint with --dtype q8,fp16`);
  const { biased, rows } = await verifyBankGraph(model, dtype);
  const file = bankGraphFile(model.folder, dtype);
  const onnx = readOnnx(await readFile(file));
  const rowShape = rows === "one" ? [columns, width] : [columns, 1, width];
  const embed = input("label_embed", "float32", rowShape);
  const given: Readonly<Record<string, Value>> = {
    image_embeds: input("image_embeds", "float32", [photos, tokens, width]),
    label_embed: embed,
    label_mask: constant(zeros("float32", [columns, 1])),
    label_bias: input("label_bias", "float32", [columns]),
  };
  try {
    const [logits] = rewrite([onnx.outputs.get("logits")!], (value) => {
      if (value.source?.kind === "input") return given[value.source.name]!;
      // Names apart from those that the new graph gives to its own constants.
      return value.source?.kind === "parameter" ? Value.leaf(value.type, { kind: "parameter", name: `${headScope}${value.source.name}` }) : null;
    });
    const weights = input("weights", "float32", [photos, columns]);
    const targets = input("targets", "float32", [photos, columns]);
    const away = sub(embed, input("start", "float32", rowShape));
    const loss = add(asymmetricLoss(logits!, targets, { gammaNegative: 0, gammaPositive: 0, clip: 0 }, weights), mul(reduceSum(mul(away, away)), scalar(pull)));
    const trained = biased ? ["label_embed", "label_bias"] : ["label_embed"];
    const scalars = stepScalars();
    const wanted = trained.map((name) => given[name]!);
    const outputs: Record<string, Value> = { logits: logits! };
    gradients(loss, wanted).forEach((gradient, i) => {
      const name = trained[i]!;
      Object.assign(outputs, updateOutputs(name, wanted[i]!, gradient!, scalars, { ...defaultAdamW, weightDecay: 0 }, name === "label_bias" ? 10 : 1));
    });
    return { outputs, weights: weightsOf(onnx, file, parametersOf(Object.values(outputs))), trained, biased, rowShape };
  } catch (cause) {
    if (cause instanceof GraphError) throw new TrainError("no-gradient", `${file}: ${cause.message}`, { cause });
    throw cause;
  }
}

/** The values of a graph's parameters, read from the files that they lie in. */
function weightsOf({ weights }: OnnxGraph, file: string, parameters: ReadonlyMap<string, Value>): (name: string) => Promise<Tensor> {
  return async (name) => {
    const found = weights.get(name.slice(headScope.length))!;
    if ("dtype" in found) return found;
    const { dtype, shape } = parameters.get(name)!;
    await using handle = await open(join(dirname(file), found.location), "r");
    const bytes = new Uint8Array(found.length);
    await handle.read(bytes, 0, found.length, found.offset);
    return { dtype, shape, data: viewAs(dtype, bytes.buffer, 0, found.length / byteSize(dtype)) } as Tensor;
  };
}

/** Figures of the photos left out: those with the tag come first, then those without, then the background's. */
function reportOf(all: readonly number[], positives: number, negatives: number, folds: number): TeachReport {
  const threshold = bestThreshold(all, all.map((_, i) => i < positives));
  const scores = all.slice(0, positives + negatives);
  const truth = scores.map((_, i) => i < positives);
  const hits = scores.filter((score, i) => score > threshold && truth[i]).length;
  const fired = scores.filter((score) => score > threshold).length;
  return {
    positives,
    negatives,
    folds,
    ap: averagePrecision(scores, truth),
    chance: positives / scores.length,
    threshold,
    precision: hits / Math.max(1, fired),
    recall: hits / positives,
    f1: (2 * hits) / (fired + positives),
    scores,
  };
}

/** The threshold of best F1, in the middle between the two scores that it parts. */
function bestThreshold(scores: readonly number[], truth: readonly boolean[]): number {
  const order = scores.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  const there = truth.filter(Boolean).length;
  let [hits, best] = [0, { threshold: 0.5, f1: -1 }];
  order.forEach((i, rank) => {
    hits += Number(truth[i]);
    const next = order[rank + 1];
    if (next !== undefined && scores[next] === scores[i]) return;
    const f1 = (2 * hits) / (rank + 1 + there);
    if (f1 > best.f1) best = { threshold: (scores[i]! + (next === undefined ? 0 : scores[next]!)) / 2, f1 };
  });
  return best.threshold;
}
