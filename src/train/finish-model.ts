import { writeBackground } from "../bundle/background.js";
import { writeModel } from "../convert/write-model.js";
import { packageVersion } from "../package-info.js";
import type { SessionOptions } from "../runtime/device.js";
import type { Tensor } from "../tensor/tensor.js";
import { Tagger } from "../tagger/tagger.js";
import type { Tag } from "../vocab/tag.js";
import { bestF1Threshold, rareThreshold } from "./calibrate.js";
import { scorePhotos } from "./score-photos.js";
import type { TrainResult } from "./train.js";

export interface FinishOptions extends SessionOptions {
  /** Text of the model card. @default a line that says what made it */
  readonly card?: string;
  /** Thresholds of tags, by id, that are known otherwise and not to be fitted; null: off. @default none */
  readonly thresholds?: ReadonlyMap<number, number | null>;
}

/** With fewer held-out positives a threshold for best F1 says little. */
const leastPositives = 5;
/** Share of held-out photos on which a tag of unknown truth may fire. */
const rareShare = 0.001;

const logit = (p: number): number => Math.log(p / (1 - p));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/**
 * Calibrates a trained model on its held-out photos and writes it as a model folder, weights in half precision. Each tag's
 * threshold is the one of best F1, or, for tags without enough held-out photos, one that few photos exceed. Where the
 * network has a bias for each tag, tags whose truth no training source knows are shifted to the scale of those that were
 * trained, so that scores of all tags can be compared.
 */
export async function finishModel({ model, tags, weights, config, heldOut, decided }: TrainResult, folder: string, options: FinishOptions = {}): Promise<void> {
  const logits = await scorePhotos(model, heldOut, config.normalisation, weights, options);
  const trained = new Set(decided);
  const given = options.thresholds ?? new Map<number, number | null>();
  const thresholds = tags.map(({ id }) => {
    const known = heldOut.flatMap((photo, i) => (trained.has(id) && photo.targets[id] === -1 ? [] : [i]));
    const scores = known.map((i) => sigmoid(logits[i]![id]!));
    const best = trained.has(id) ? bestF1Threshold(scores, known.map((i) => heldOut[i]!.targets[id] === 1), leastPositives) : null;
    return best ?? rareThreshold(scores, rareShare);
  });
  const bias = weights.get("similarity_bias");
  const shifted = new Map(weights);
  if (bias !== undefined) {
    const usual = median(decided.map((id) => thresholds[id]!));
    const data = (bias.data as Float32Array).slice();
    for (const { id } of tags) {
      if (trained.has(id) || given.has(id)) continue;
      data[id] = data[id]! + logit(usual) - logit(thresholds[id]!);
      thresholds[id] = usual;
    }
    shifted.set("similarity_bias", { ...bias, data } as Tensor);
  }
  const rounded = (threshold: number): number => Math.round(threshold * 1e4) / 1e4;
  const calibrated = tags.map((tag, id): Tag => {
    const own = given.get(id);
    return { ...tag, threshold: own === undefined ? rounded(thresholds[id]!) : own === null ? null : rounded(own) };
  });
  await writeModel(folder, {
    model,
    weights: (name) => shifted.get(name)!,
    tags: calibrated,
    preprocessor: { size: model.encoder.imageSize, ...config.normalisation },
    dtypes: ["fp16"],
    card: options.card ?? `# ${folder.split("/").at(-1)}\n\nTrained by ramplus ${packageVersion()}.\n`,
    madeBy: `ramplus ${packageVersion()}`,
  });
  await addBackground(folder, heldOut);
}

/** Photos whose features a model folder carries. */
const backgroundPhotos = 96;

/** Features of held-out photos, spread over them, so that tags can be taught with nothing but photos that show them. */
async function addBackground(folder: string, heldOut: TrainResult["heldOut"]): Promise<void> {
  const stride = Math.max(1, Math.ceil(heldOut.length / backgroundPhotos));
  const chosen = heldOut.filter((_, i) => i % stride === 0);
  const photos = await Promise.all(chosen.map((photo) => photo.read()));
  await using tagger = await Tagger.load(folder, { device: "cpu" });
  const features: Tensor<"float32">[] = [];
  for await (const outcome of tagger.features(photos)) if ("features" in outcome) features.push(outcome.features);
  if (features.length > 0) await writeBackground(folder, features);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0.5;
}
