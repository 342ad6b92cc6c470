import { gradients } from "../graph/gradient.js";
import { add, mul } from "../graph/ops/elementwise.js";
import { matMul } from "../graph/ops/matmul.js";
import { input, scalar, type Value } from "../graph/value.js";
import { encodeOnnx } from "../onnx/write-onnx.js";
import { openSession } from "../runtime/session.js";
import { float32, zeros } from "../tensor/tensor.js";
import { defaultAdamW } from "./adamw.js";
import { stepFeedback, stepNumbers, stepScalars, updateOutputs } from "./adamw-step.js";
import { photoOrder, tagTargets, type BatchPlan } from "./batches.js";
import { asymmetricLoss } from "./losses.js";
import { cosineRate } from "./schedules.js";
import type { TokenCache } from "./token-cache.js";
import type { TrainOptions } from "./train-options.js";

/** Photos with a feature each, and what is known of their tags. */
export interface ProbePhotos extends Pick<BatchPlan, "photos" | "silence" | "absence"> {
  /** [1, width] of each photo. */
  readonly cache: TokenCache;
  /** Each photo's place in the cache. */
  readonly positions: Int32Array;
}

/** Logits of tags, linear in a feature. */
export interface LinearProbe {
  /** [tags, width] */
  readonly rows: Float32Array;
  /** [tags] */
  readonly biases: Float32Array;
}

const batch = 256;
const rate = 2e-3;
/** Biases have a way to go: nearly every tag is absent from nearly every photo. */
const [firstBias, biasRate] = [-4, 5];
const optimizer = { ...defaultAdamW, beta2: 0.99, weightDecay: 0.01 };
/** Photos by which a feature's numbers are brought to mean 0 and deviation 1. */
const measuredPhotos = 20_000;
/** A number that is the same for all photos says nothing, and is not blown up. */
const leastDeviation = 1e-3;

/**
 * Fits logits of the tags `ids`, linear in photos' features, by logistic regression (a linear probe: Alain and Bengio 2016, arXiv 1610.01644):
 * AdamW on features of mean 0 and deviation 1, at a rate that falls to 0 along half a cosine. Of each tag and photo counts what labels and proposals say.
 * Throws the signal's reason when aborted.
 */
export async function fitLinearProbe(ids: readonly number[], { photos, silence, absence, cache, positions }: ProbePhotos, { steps, seed }: { readonly steps: number; readonly seed: number }, options: Pick<TrainOptions, "device" | "threads" | "signal" | "onProgress">): Promise<LinearProbe> {
  const width = cache.shape[1];
  const scale = await standardOf(cache);
  const session = await openSession({ bytes: await encodeOnnx(probeStep(ids.length, width), () => { throw new Error("a probe's step has no parameters"); }) }, options);
  try {
    const trained = { weight: zeros("float32", [ids.length, width]), bias: float32([ids.length], new Float32Array(ids.length).fill(firstBias)) };
    const moments = Object.entries(trained).flatMap(([name, { shape }]) => ["momentum", "variance"].map((moment) => [`${moment}/${name}`, zeros("float32", shape)] as const));
    const loop = await session.loop({ ...trained, ...Object.fromEntries(moments) }, stepFeedback(Object.keys(trained)));
    const order = photoOrder({ photos, batch, seed });
    const began = performance.now();
    for (let step = 0; step < steps; step++) {
      options.signal?.throwIfAborted();
      const indices = order(step);
      const features = new Float32Array(batch * width);
      for (const [row, photo] of indices.entries()) await cache.read(positions[photo]!, features, row * width);
      for (let i = 0; i < features.length; i++) features[i] = (features[i]! - scale.mean[i % width]!) / scale.deviation[i % width]!;
      const { loss } = await loop.step({ features: float32([batch, width], features), ...tagTargets({ photos, asks: false, silence, absence }, indices, ids), ...stepNumbers(cosineRate(step, steps, rate, 0), step + 1, optimizer) });
      const imagesPerSecond = ((step + 1) * batch * 1000) / (performance.now() - began);
      if ((step + 1) % 50 === 0 || step + 1 === steps) options.onProgress?.({ phase: "fitting a classifier", step: step + 1, steps, losses: { loss: Number(loss!.data[0]) }, imagesPerSecond, secondsLeft: ((steps - step - 1) * batch) / imagesPerSecond });
    }
    const fitted = await loop.state();
    const [weight, bias] = [fitted["weight"]!.data as Float32Array, fitted["bias"]!.data as Float32Array];
    const rows = weight.map((v, i) => v / scale.deviation[i % width]!);
    const biases = bias.map((v, tag) => v - rows.subarray(tag * width, (tag + 1) * width).reduce((sum, each, i) => sum + each * scale.mean[i]!, 0));
    return { rows, biases };
  } finally {
    await session.dispose();
  }
}

/** One step: `loss`, and the next `weight` and `bias` with their moments. */
function probeStep(tags: number, width: number): Record<string, Value> {
  const [features, weight, bias] = [input("features", "float32", [batch, width]), input("weight", "float32", [tags, width]), input("bias", "float32", [tags])];
  const [targets, known] = [input("targets", "float32", [batch, tags]), input("known", "float32", [batch, tags])];
  const logits = add(matMul(features, weight, { transB: true }), bias);
  const loss = mul(asymmetricLoss(logits, targets, { gammaNegative: 0, gammaPositive: 0, clip: 0 }, known), scalar(1 / batch));
  const scalars = stepScalars();
  const outputs: Record<string, Value> = { loss };
  const trained = { weight, bias };
  const found = gradients(loss, Object.values(trained));
  Object.entries(trained).forEach(([name, parameter], i) => {
    Object.assign(outputs, updateOutputs(name, parameter, found[i]!, scalars, name === "bias" ? { ...optimizer, weightDecay: 0 } : optimizer, name === "bias" ? biasRate : 1));
  });
  return outputs;
}

/** Mean and deviation of each number of the features, over photos spread evenly. */
async function standardOf(cache: TokenCache): Promise<{ mean: Float64Array; deviation: Float64Array }> {
  const width = cache.shape[1];
  const count = Math.min(measuredPhotos, cache.names.length);
  const [sums, squares, row] = [new Float64Array(width), new Float64Array(width), new Float32Array(width)];
  for (let i = 0; i < count; i++) {
    await cache.read(Math.floor((i * cache.names.length) / count), row, 0);
    row.forEach((v, at) => {
      sums[at]! += v;
      squares[at]! += v * v;
    });
  }
  const mean = sums.map((sum) => sum / count);
  return { mean, deviation: squares.map((square, i) => Math.sqrt(Math.max(0, square / count - mean[i]! ** 2)) + leastDeviation) };
}
