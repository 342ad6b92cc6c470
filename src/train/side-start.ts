import { slice } from "../graph/ops/structure.js";
import { Params } from "../graph/params.js";
import { input, type Value } from "../graph/value.js";
import { encoderWidth, type RamConfig } from "../model/config.js";
import { mobileNetV2 } from "../model/mobilenet-v2.js";
import { encode } from "../model/ram-plus.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import { dot } from "./cluster.js";
import type { KeptFrom } from "./kept-outputs.js";
import { median } from "./median.js";
import type { Classifier } from "./read-classifier.js";
import { meanVector, principalDirections } from "./principal-directions.js";
import { runOverPhotos } from "./score-photos.js";
import { TrainError } from "./train-error.js";
import type { TrainOptions } from "./train-options.js";
import type { TrainingState } from "./trainer.js";

/** The same network without its side network. */
export function withoutSideNetwork(model: RamConfig): RamConfig {
  if (model.encoder.kind !== "mobilenet_v2") return model;
  const { sideNetwork: _, ...encoder } = model.encoder;
  return { ...model, encoder };
}

const sidePrefix = "visual_encoder.side_network.";

/** Whether weights are those of a network that has one. */
export const hasSideWeights = (weights: TrainingState): boolean => [...weights.keys()].some((name) => name.startsWith(sidePrefix));

/**
 * Weights of the encoder alone: those of a network without a side network, and the classifier's for it. Throws a TrainError (missing-weight)
 * where these are of another encoder.
 */
export function sideEncoder(given: TrainingState, classifier: Classifier): Map<string, Tensor> {
  const p = Params.root();
  mobileNetV2(input("pixel_values", "float32", [1, 3, 32, 32]), p.at("visual_encoder"), { kind: "mobilenet_v2", imageSize: 32, sideNetwork: true });
  return new Map(
    p.list().map(({ name }) => {
      const tensor = name.startsWith(sidePrefix) ? classifier.encoder.get(name.slice(sidePrefix.length)) : given.get(name);
      if (tensor === undefined) throw new TrainError("missing-weight", `what a side network begins with has no weight ${name.replace(sidePrefix, "")}`);
      return [name, tensor] as const;
    }),
  );
}

/** How much of a photo's vector in the shared space comes from the side network at first. */
const sideShare = 0.4;

/**
 * Weights of a network with a side network: `given`'s, and for the side network the classifier's. Its features enter the shared
 * space along the principal directions of the classifier's rows, where a model that began with this classifier has its descriptions
 * (`startFromClassifier`), as long as the others on average. `pooled` are features [2560] of some photos, by `sideEncoder`'s weights.
 * Throws a TrainError (bad-train-config) for a classifier of no more classes than the space is wide.
 */
export function withSideNetwork(given: TrainingState, classifier: Classifier, pooled: readonly Float32Array[]): Map<string, Tensor> {
  const weight = given.get("image_proj.weight")!;
  const bias = given.get("image_proj.bias")!.data as Float32Array;
  const [textWidth, width] = weight.shape as [number, number];
  const own = Array.from({ length: textWidth }, (_, row) => (weight.data as Float32Array).subarray(row * width, (row + 1) * width));
  if (classifier.rows.size <= textWidth) throw new TrainError("bad-train-config", `a side network begins with a classifier of more classes than the shared space is wide: ${classifier.rows.size} classes, textWidth ${textWidth}`);
  const directions = principalDirections([...classifier.rows.values()], textWidth);
  const mean = meanVector(pooled.map((feature) => feature.subarray(width)));
  const centre = Float32Array.from(directions, (d) => -dot(d, mean));
  const length = (rows: readonly Float32Array[], shift: Float32Array, part: (feature: Float32Array) => Float32Array): number =>
    median(pooled.map((feature) => Math.hypot(...rows.map((row, i) => dot(row, part(feature)) + shift[i]!))));
  const scale = length(own, bias, (feature) => feature.subarray(0, width)) / length(directions, centre, (feature) => feature.subarray(width));
  const weights = new Map<string, Tensor>([...given, ...sideEncoder(given, classifier)]);
  weights.set("image_proj.weight", float32([textWidth, 2 * width], own.flatMap((row, i) => [...row.map((v) => (1 - sideShare) * v), ...directions[i]!.map((v) => sideShare * scale * v)])));
  weights.set("image_proj.bias", float32([textWidth], bias.map((v, i) => (1 - sideShare) * v + sideShare * scale * centre[i]!)));
  return weights;
}

/** Photos whose features tell where their middle is. */
const middlePhotos = 1000;

/** Weights of a network with a side network, as `withSideNetwork` says, by the features of some of the run's photos. */
export async function startSideNetwork(shared: KeptFrom, given: TrainingState, classifier: Classifier, options: TrainOptions): Promise<TrainingState> {
  const { model, photos } = shared;
  const stride = Math.max(1, photos.length / middlePhotos);
  const some = Array.from({ length: Math.floor(photos.length / stride) }, (_, i) => photos[Math.floor(i * stride)]!);
  const pooled = (image: Value, p: Params): Value => slice(encode(image, p, model), 1, 0, 1);
  const features: Float32Array[] = [];
  for await (const { output } of runOverPhotos(some, model.encoder.imageSize, shared.config.normalisation, pooled, sideEncoder(given, classifier), options)) {
    const width = encoderWidth(model.encoder);
    for (let at = 0; at < output.data.length; at += width) features.push(output.data.slice(at, at + width));
  }
  return withSideNetwork(given, classifier, features);
}
