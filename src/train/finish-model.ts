import { writeBackground } from "../bundle/background.js";
import { present, unknown } from "../data/tag-targets.js";
import { writeModel } from "../convert/write-model.js";
import { packageVersion } from "../package-info.js";
import type { SessionOptions } from "../runtime/device.js";
import type { Tensor } from "../tensor/tensor.js";
import { Tagger } from "../tagger/tagger.js";
import { impliedLift } from "../vocab/lift-implied.js";
import type { Tag } from "../vocab/tag.js";
import { writeWhole } from "../write-whole.js";
import { pooledThreshold, probableThreshold, rareThreshold, trustedThreshold } from "./calibrate.js";
import { chooseLifts } from "./choose-lifts.js";
import { median } from "./median.js";
import { scorePhotos } from "./score-photos.js";
import type { TrainResult } from "./train.js";

export interface FinishOptions extends SessionOptions {
  /** Text of the model card. @default a line that says what made it */
  readonly card?: string;
  /** Thresholds of tags, by id, that are known otherwise and not to be fitted; null: off. @default none */
  readonly thresholds?: ReadonlyMap<number, number | null>;
  /** JSON file for what became of each tag. @default none */
  readonly report?: string;
}

/** How a tag came to its threshold, and how often it was right above it. */
export interface FinishedTag {
  readonly en: string;
  /** Null: off. */
  readonly threshold: number | null;
  /**
   * "labels": fitted to photos kept out; "few": there are too few of these, and it was fitted together with other such tags; "proposals":
   * fitted, together with others, to what the classifier says of photos kept out; "unknown": nothing is known of it; "given": it was not to be fitted.
   */
  readonly by: "labels" | "few" | "proposals" | "unknown" | "given";
  /** On the photos kept out whose labels speak of it; of tags by proposals, and of those with few, of all together. Null: it fires on none, or nothing is known. */
  readonly precision: number | null;
}

/** With fewer held-out positives a threshold for best F1 says little. */
const leastPositives = 5;
/** Share of held-out photos, nearly all of which lack it, on which a tag of unknown truth may fire; and one that is trained on few photos, where such tags have hardly any together. */
const leastShare = 0.005;
const rareShares = { unknown: 0.0004, few: 0.001 } as const;

const logit = (p: number): number => Math.log(p / (1 - p));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Share of the photos that lack a tag on which its score may stand out. */
const outstandingShare = 0.01;
/**
 * How far a threshold that labels gave moves the logit at which a tag is as sure as others. Measured: with less the first tags are
 * right more often where a photo shows one thing, with more where it shows several.
 */
const labelsShare = 0.2;
/** A photo to which the classifier gives a tag with more does not count as one that lacks it. */
const mayShow = 0.1;

/**
 * For each tag the logit that stands out from photos that lack it. Every tag has one, labels or not. Where a classifier was asked
 * about some photos these alone count: what else they show is known, and they are large; a tag that was trained on photos enlarged
 * from 64 pixels scores on all such.
 */
function outstandingLogits({ tags, heldOut }: TrainResult, logits: readonly Float32Array[]): Float64Array {
  const asked = heldOut.some(({ proposals }) => proposals !== undefined);
  return Float64Array.from(tags, ({ id }) => {
    const lacking = heldOut.flatMap(({ targets, proposals }, i) => (targets[id] === present || (asked && (proposals?.[id] ?? 1) > mayShow) ? [] : [logits[i]![id]!]));
    return lacking.sort((a, b) => b - a)[Math.floor(outstandingShare * lacking.length)] ?? 0;
  });
}

/**
 * Values half of the way to their mean for the tags `ids`: those that labels decide not at all learnt from one classifier, whose logits compare
 * by themselves, and where one of them stands out is known by a few photos.
 */
function towardsMean(values: Float64Array, ids: ReadonlySet<number>): Float64Array {
  const mean = [...ids].reduce((sum, id) => sum + values[id]!, 0) / ids.size;
  return values.map((value, id) => (ids.has(id) ? (value + mean) / 2 : value));
}

/** A tag's threshold, and the logit at which it is as sure as other tags at theirs. */
type FittedTag = Omit<FinishedTag, "en"> & { readonly anchor: number };

/** Thresholds by the photos kept out, and the precision above them. */
function fitThresholds(result: TrainResult, logits: readonly Float32Array[]): FittedTag[] {
  const { tags, heldOut, decided, proposed } = result;
  const labelled = new Set(decided);
  const silent = new Set(proposed.filter((id) => !labelled.has(id)));
  const score = (i: number, id: number): number => sigmoid(logits[i]![id]!);
  const asked = heldOut.flatMap(({ proposals }, i) => (proposals === undefined ? [] : [{ i, proposals }]));
  const outstandings = towardsMean(outstandingLogits(result, logits), silent);
  const byLabels = tags.map(({ id }) => fitToLabels(id));
  // What lies as far from where it stands out as labels put the thresholds of tags.
  const further = byLabels.flatMap((best, id) => (best === null || best.threshold === null ? [] : [logit(best.threshold) - outstandings[id]!]));
  const usual = further.length === 0 ? 0 : median(further);
  const anchorOf = (id: number): number => outstandings[id]! + usual;
  const ofSilent = asked.flatMap(({ i, proposals }) => [...silent].map((id) => [sigmoid(logits[i]![id]! - anchorOf(id)), Math.max(0, proposals[id]!)] as const));
  const probable = probableThreshold(ofSilent.map(([each]) => each), ofSilent.map(([, probability]) => probability));
  const few = tags.flatMap(({ id }) => (labelled.has(id) && byLabels[id] === null ? heldOut.flatMap(({ targets }, i) => (targets[id] === unknown ? [] : [[sigmoid(logits[i]![id]! - anchorOf(id)), targets[id] === present] as const])) : []));
  const pooled = pooledThreshold(few.map(([each]) => each), few.map(([, shows]) => shows), leastPositives);
  const thresholds = tags.map(({ id }): Pick<FinishedTag, "threshold" | "by"> => {
    const best = byLabels[id]!;
    if (best !== null) return best;
    if (labelled.has(id) && pooled !== null) return { threshold: pooled === "off" ? null : sigmoid(anchorOf(id) + logit(pooled)), by: "few" };
    if (silent.has(id) && probable !== null) return { threshold: sigmoid(anchorOf(id) + logit(probable)), by: "proposals" };
    const others = heldOut.flatMap(({ targets }, i) => (targets[id] === present ? [] : [score(i, id)]));
    const by = labelled.has(id) ? "few" : "unknown";
    return { threshold: rareThreshold(others, rareShares[by]), by };
  });

  /** Null: there are no labels, or too few. */
  function fitToLabels(id: number): Pick<FinishedTag, "threshold" | "by"> | null {
    const known = heldOut.flatMap(({ targets }, i) => (targets[id] === unknown ? [] : [i]));
    const best = labelled.has(id) ? trustedThreshold(known.map((i) => score(i, id)), known.map((i) => heldOut[i]!.targets[id] === present), leastPositives) : null;
    if (best === null) return null;
    if (best === "off") return { threshold: null, by: "labels" };
    // Of photos whose source says nothing of the tag no larger a share shows it, as a rule, than of those that do speak of it.
    const others = heldOut.flatMap(({ targets }, i) => (targets[id] === unknown ? [score(i, id)] : []));
    const share = known.filter((i) => heldOut[i]!.targets[id] === present).length / known.length;
    return { threshold: others.length === 0 ? best.threshold : Math.max(best.threshold, rareThreshold(others, Math.max(share, leastShare))), by: "labels" };
  }

  const ratio = (right: number, all: number): number | null => (all === 0 ? null : right / all);
  const fired = (id: number): number[] => (thresholds[id]!.threshold === null ? [] : heldOut.flatMap((_, i) => (score(i, id) > thresholds[id]!.threshold! ? [i] : [])));
  const spokenOf = (id: number): number[] => fired(id).filter((i) => heldOut[i]!.targets[id] !== unknown);
  const mean = (values: readonly number[]): number | null => ratio(values.reduce((sum, each) => sum + Math.max(0, each), 0), values.length);
  const ofAll = (by: FittedTag["by"], of: (id: number) => number[]): number | null => mean(tags.flatMap(({ id }) => (thresholds[id]!.by === by ? of(id) : [])));
  const together = {
    proposals: ofAll("proposals", (id) => fired(id).flatMap((i) => heldOut[i]!.proposals?.[id] ?? [])),
    few: ofAll("few", (id) => spokenOf(id).map((i) => Number(heldOut[i]!.targets[id] === present))),
  };
  return tags.map(({ id }) => {
    const { threshold, by } = thresholds[id]!;
    const spoken = spokenOf(id);
    // A threshold is as low as its source's photos allow; where the tag stands out is known from all.
    const anchor = by === "labels" && threshold !== null ? labelsShare * logit(threshold) + (1 - labelsShare) * anchorOf(id) : anchorOf(id);
    return { anchor, threshold, by, precision: by === "proposals" || by === "few" ? together[by] : ratio(spoken.filter((i) => heldOut[i]!.targets[id] === present).length, spoken.length) };
  });
}

/**
 * Calibrates a trained model on its held-out photos and writes it as a model folder, weights in half precision. Each tag's
 * threshold is the one of best F1 that is right often enough (`trustedThreshold`; a tag that has none is off). Tags without
 * labels, but with proposals, have one that together are right as often, by the probabilities that the classifier gives, and so have tags with
 * too few photos each, by labels; the others one that few photos exceed. Where the network has a bias for each tag, these are shifted first, so
 * that scores of different tags can be compared: to the same score for all comes where a tag stands out from photos that lack it (of tags
 * that a classifier alone speaks of, half of the way from there to where they do on average); of tags whose threshold labels gave, a fifth of the way from there to the threshold. Thresholds are fitted to scores as a tagger
 * gives them, with tags that others imply lifted (`impliedLift`) but for those that labels name. Gives what became of each tag.
 */
export async function finishModel(result: TrainResult, folder: string, options: FinishOptions = {}): Promise<readonly FinishedTag[]> {
  const { model, tags, weights, config, heldOut, decided } = result;
  const logits = await scorePhotos(model, heldOut, config.normalisation, weights, options);
  const given = options.thresholds ?? new Map<number, number | null>();
  const shifts = new Float32Array(tags.length);
  const bias = weights.get("similarity_bias");
  const shifted = new Map(weights);
  if (bias !== undefined) {
    const fittedTags = fitThresholds(result, logits);
    const fitted = decided.flatMap((id) => fittedTags[id]!.threshold ?? []);
    const usual = fitted.length === 0 ? 0.5 : median(fitted);
    for (const { id } of tags) if (!given.has(id)) shifts[id] = logit(usual) - fittedTags[id]!.anchor;
    shifted.set("similarity_bias", { ...bias, data: (bias.data as Float32Array).map((value, id) => value + shifts[id]!) } as Tensor);
  }
  for (const row of logits) for (let id = 0; id < row.length; id++) row[id] = row[id]! + shifts[id]!;
  const chosen = chooseLifts(tags, result.named);
  const lift = impliedLift(chosen);
  for (const row of logits) lift(row);
  const fittedTags = fitThresholds(result, logits);
  const rounded = (threshold: number): number => Math.round(threshold * 1e4) / 1e4;
  const calibrated = chosen.map((tag, id): Tag => {
    const own = given.get(id);
    const threshold = own === undefined ? fittedTags[id]!.threshold : own;
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
  const finished = calibrated.map(({ en, threshold }, id): FinishedTag => (given.has(id) ? { en, threshold, by: "given", precision: null } : { en, threshold, by: fittedTags[id]!.by, precision: fittedTags[id]!.precision }));
  if (options.report !== undefined) await writeWhole(options.report, `[\n${finished.map((tag) => JSON.stringify(tag)).join(",\n")}\n]\n`);
  return finished;
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
