import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readModelFolder } from "../bundle/model-folder.js";
import { openLabelledFolder } from "../data/labelled-folder.js";
import { openLabelledSet } from "../data/labelled-set.js";
import { indexTags } from "../vocab/tag-index.js";
import type { Tag } from "../vocab/tag.js";
import { writeWhole } from "../write-whole.js";
import { heldOutMap } from "./held-out-map.js";
import { finishModel } from "./finish-model.js";
import { readModelStart, startFromModel } from "./model-start.js";
import type { TrainingPhoto } from "./photo-store.js";
import { scorePhotos } from "./score-photos.js";
import { TrainError } from "./train-error.js";
import { alreadyStarted, train } from "./train.js";
import type { TrainOptions } from "./train-options.js";

export interface FinetuneOptions extends TrainOptions {
  /** File of labels (`readLabelFile`) for a folder of photos; without it the photos are a labelled set (tar shards with labels.json). */
  readonly labels?: string;
  /** Train the encoder too, after the head; it is held to where it was. @default false */
  readonly whole?: boolean;
  /** Times that each photo is seen at most, by the head and by the whole. @default 30 and 10 */
  readonly epochs?: number;
  /** Validations, one an epoch, without a better one before a phase ends. @default 3 */
  readonly patience?: number;
  /** Share of the photos kept out for validation and thresholds. @default 0.15 */
  readonly heldOut?: number;
  /** Highest learning rate of the head. @default 0.001 */
  readonly rate?: number;
  /** @default 1 */
  readonly seed?: number;
}

/** How a tag did on the photos kept out: average precision, null where fewer than five show it. */
export interface FinetunedTag {
  readonly en: string;
  /** Not a tag of the model before. */
  readonly added: boolean;
  readonly positives: number;
  readonly before: number | null;
  readonly after: number | null;
}

export interface FinetuneResult {
  /** The new model folder. */
  readonly folder: string;
  readonly photos: number;
  readonly heldOut: number;
  /** Mean average precision over tags that five of the photos kept out show: those that were there before, and all. */
  readonly map: { readonly before: number; readonly after: number; readonly afterAll: number };
  readonly tags: readonly FinetunedTag[];
}

const batch = 32;

/**
 * Trains a model folder further on labelled photos: its head on tokens that are encoded once, and where asked for the whole
 * network after that. Labels that are no tags become tags. Photos say nothing of tags that their labels do not speak of, which
 * are held to what they were. The best weights by the photos kept out are taken, and every threshold fitted there. Written to
 * `out/model`; a run that was interrupted goes on with `resume`. Throws a TrainError (missing-weight for models whose weights are
 * not in their folders one by one, as Swin's), a DataError, and the signal's reason when aborted.
 */
export async function finetune(model: string, photos: string, options: FinetuneOptions): Promise<FinetuneResult> {
  const { labels, whole = false, epochs, patience = 3, heldOut = 0.15, rate = 1e-3, seed = 1, out } = options;
  if (!(heldOut > 0 && heldOut < 1)) throw new TrainError("bad-train-config", `heldOut ${heldOut}: expected a share between 0 and 1`);
  // Before anything is written: what lies there says how the run that was started goes on.
  const state = join(out, "state.safetensors");
  if (options.resume !== true && existsSync(state)) throw alreadyStarted(state);
  const start = await readModelStart(model);
  const { names, count } = await labelsOf(photos, labels, options.signal);
  const vocabulary = withLabels(start.tags, names);
  await mkdir(out, { recursive: true });
  await writeJson(join(out, "vocabulary.json"), vocabulary.map(({ id: _id, threshold: _threshold, ...tag }) => tag));
  const { modelType: _type, tags: _tags, ...sizes } = start.model;
  const steps = (times: number): number => Math.max(10, Math.ceil((times * count * (1 - heldOut)) / batch));
  const phase = { batch, drawnTags: Math.min(64, vocabulary.length), warmup: 10, weightDecay: 0.01, patience };
  const config = {
    model: sizes,
    vocabulary: "vocabulary.json",
    weights: resolve(model),
    sources: [labels === undefined ? { set: resolve(photos) } : { photos: resolve(photos), labels: resolve(labels) }],
    heldOut,
    phases: [
      { ...phase, name: "head", from: "tokens", steps: steps(epochs ?? 30), rate, rateScales: { image_proj: 0 }, losses: { tagging: 1, retention: 0.05 } },
      ...(whole ? [{ ...phase, name: "whole", from: "pixels", steps: steps(epochs ?? 10), rate: rate / 3, rateScales: { visual_encoder: 0.1, image_proj: 0.1 }, losses: { tagging: 1, retention: 0.05, distillation: 2 } }] : []),
    ],
    normalisation: await normalisationOf(model),
    seed,
    logEvery: Math.max(1, Math.min(25, steps(1))),
    saveEvery: steps(1),
  };
  const file = join(out, "finetune.json");
  await writeJson(file, config);
  const result = await train(file, options);
  const before = startFromModel(result.model, result.tags, start, seed);
  const kept = new Set(start.tags.map(({ en }) => en));
  const judged = result.decided.map((id) => result.tags[id]!);
  const of: Float32Array[][] = [];
  for (const weights of [before, result.weights]) of.push(await scorePhotos(result.model, result.heldOut, result.config.normalisation, weights, options));
  const decided = new Set(result.decided);
  const thresholds = new Map(start.tags.flatMap(({ id, threshold }) => (decided.has(id) ? [] : [[id, threshold === null ? null : carriedThreshold(threshold, of[0]!.map((row) => row[id]!), of[1]!.map((row) => row[id]!))] as const])));
  const folder = join(out, "model");
  await finishModel(result, folder, { ...options, thresholds });
  const ap = (scores: readonly Float32Array[], tags: readonly Tag[]): number => heldOutMap(scores, result.heldOut, tags.map(({ id }) => id));
  const known = judged.filter(({ en }) => kept.has(en));
  return {
    folder,
    photos: count,
    heldOut: result.heldOut.length,
    map: { before: ap(of[0]!, known), after: ap(of[1]!, known), afterAll: ap(of[1]!, judged) },
    tags: judged.map((tag) => {
      const positives = shown(result.heldOut, tag.id);
      const value = (scores: readonly Float32Array[]): number | null => (positives >= 5 ? ap(scores, [tag]) : null);
      return { en: tag.en, added: !kept.has(tag.en), positives, before: kept.has(tag.en) ? value(of[0]!) : null, after: value(of[1]!) };
    }),
  };
}

/**
 * Where a tag's threshold has gone when the scores of all photos have moved: the line of least squares from its logits before to
 * those after, at the threshold's. A tag without labels then fires as often as it did.
 */
function carriedThreshold(threshold: number, before: readonly number[], after: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  const [x, y] = [mean(before), mean(after)];
  const spread = before.reduce((sum, v) => sum + (v - x) ** 2, 0);
  const slope = spread > 0 ? before.reduce((sum, v, i) => sum + (v - x) * (after[i]! - y), 0) / spread : 1;
  const p = Math.min(Math.max(threshold, 1e-4), 1 - 1e-4);
  const moved = 1 / (1 + Math.exp(-(y + Math.max(slope, 0) * (Math.log(p / (1 - p)) - x))));
  return Math.min(Math.max(moved, 0.02), 0.9999);
}

const shown = (photos: readonly TrainingPhoto[], id: number): number => photos.filter(({ targets }) => targets[id] === 1).length;

/** Names of labels, and the number of photos. */
async function labelsOf(photos: string, labels: string | undefined, signal?: AbortSignal): Promise<{ names: string[]; count: number }> {
  if (labels !== undefined) {
    const folder = await openLabelledFolder(photos, labels, signal);
    return { names: [...new Set(folder.photos.flatMap(({ tags }) => tags))], count: folder.photos.length };
  }
  const set = await openLabelledSet(photos);
  return { names: set.classes.map(({ name }) => name), count: [...(set.splits.get("train")?.values() ?? [])].filter((photo) => photo.labels !== null).length };
}

/** The model's tags with those that labels name and it lacks. */
function withLabels(tags: readonly Tag[], names: readonly string[]): Tag[] {
  const index = indexTags(tags);
  const added = new Map(names.filter((name) => index.byName(name) === undefined).map((name) => [name.toLowerCase(), name]));
  return [...tags, ...[...added.values()].map((en, i): Tag => ({ id: tags.length + i, en, zh: en, threshold: 0.5 }))];
}

async function normalisationOf(model: string): Promise<{ mean: readonly number[]; std: readonly number[] }> {
  const { mean, std } = (await readModelFolder(model)).preprocessor;
  return { mean, std };
}

const writeJson = (file: string, value: unknown): Promise<void> => writeWhole(file, `${JSON.stringify(value, null, 2)}\n`);
