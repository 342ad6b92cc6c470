import { writeBackground } from "../bundle/background.js";
import { writeModel } from "../convert/write-model.js";
import { packageVersion } from "../package-info.js";
import type { SessionOptions } from "../runtime/device.js";
import type { Tensor } from "../tensor/tensor.js";
import { Tagger } from "../tagger/tagger.js";
import type { Tag } from "../vocab/tag.js";
import { rareThreshold, trustedThreshold } from "./calibrate.js";
import { median } from "./median.js";
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
/** Share of held-out photos, nearly all of which lack it, on which a tag of unknown truth may fire; and one that is trained on few photos. */
const leastShare = 0.005;
const rareShares = { unknown: 0.0004, few: 0.001 } as const;

const logit = (p: number): number => Math.log(p / (1 - p));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/**
 * Calibrates a trained model on its held-out photos and writes it as a model folder, weights in half precision. Each tag's
 * threshold is the one of best F1 that is right often enough (`trustedThreshold`; a tag that has none is off), or, for tags
 * without enough held-out photos, one that few photos exceed. Where the network has a bias for each tag, all are shifted to the
 * same threshold, so that scores of different tags can be compared: what is further above it comes first.
 */
export async function finishModel({ model, tags, weights, config, heldOut, decided }: TrainResult, folder: string, options: FinishOptions = {}): Promise<void> {
  const logits = await scorePhotos(model, heldOut, config.normalisation, weights, options);
  const trained = new Set(decided);
  const given = options.thresholds ?? new Map<number, number | null>();
  const thresholds = tags.map(({ id }) => {
    const score = (i: number): number => sigmoid(logits[i]![id]!);
    const known = heldOut.flatMap(({ targets }, i) => (targets[id] === -1 ? [] : [i]));
    const best = trained.has(id) ? trustedThreshold(known.map(score), known.map((i) => heldOut[i]!.targets[id] === 1), leastPositives) : null;
    if (best === "off") return null;
    if (best !== null) {
      // Of photos whose source says nothing of the tag no larger a share shows it, as a rule, than of those that do speak of it.
      const silent = heldOut.flatMap(({ targets }, i) => (targets[id] === -1 ? [score(i)] : []));
      const share = known.filter((i) => heldOut[i]!.targets[id] === 1).length / known.length;
      return silent.length === 0 ? best.threshold : Math.max(best.threshold, rareThreshold(silent, Math.max(share, leastShare)));
    }
    const others = heldOut.flatMap(({ targets }, i) => (targets[id] === 1 ? [] : [i]));
    return rareThreshold(others.map(score), trained.has(id) ? rareShares.few : rareShares.unknown);
  });
  const bias = weights.get("similarity_bias");
  const shifted = new Map(weights);
  if (bias !== undefined) {
    const fitted = decided.flatMap((id) => thresholds[id] ?? []);
    const usual = fitted.length === 0 ? 0.5 : median(fitted);
    const data = (bias.data as Float32Array).slice();
    for (const { id } of tags) {
      const own = thresholds[id];
      if (own === null || own === undefined || given.has(id)) continue;
      data[id] = data[id]! + logit(usual) - logit(own);
      thresholds[id] = usual;
    }
    shifted.set("similarity_bias", { ...bias, data } as Tensor);
  }
  const rounded = (threshold: number): number => Math.round(threshold * 1e4) / 1e4;
  const calibrated = tags.map((tag, id): Tag => {
    const own = given.get(id);
    const threshold = own === undefined ? thresholds[id]! : own;
    return { ...tag, threshold: threshold === null ? null : rounded(threshold) };
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
