import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readBackground } from "../bundle/background.js";
import { readModelFolder, type ModelFolder } from "../bundle/model-folder.js";
import { impliedLift } from "../vocab/lift-implied.js";
import { writeWhole } from "../write-whole.js";
import { carriedThreshold } from "./carried-threshold.js";
import { chooseLifts } from "./choose-lifts.js";
import { finetuneHead } from "./finetune-head.js";
import { labelsOf, withLabels } from "./finetune-labels.js";
import { finetuneReport, type FinetuneResult } from "./finetune-report.js";
import { finishModel } from "./finish-model.js";
import { holdBiases } from "./held-biases.js";
import { readModelStart, startFromModel } from "./model-start.js";
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
  /** Highest learning rate of the head. @default 0.001, 0.0001 for a head on kept embeddings */
  readonly rate?: number;
  /** @default 1 */
  readonly seed?: number;
}

const batch = 32;

/**
 * Trains a model folder further on labelled photos: its head on tokens that are encoded once, and where asked for the whole
 * network after that. Labels that are no tags become tags. Photos say nothing of tags that their labels do not speak of, which
 * are held to what they were, on these photos and, where the encoder does not train, on the everyday ones whose features the model carries. The best weights by the photos kept out are taken, and every threshold fitted there. Written to
 * `out/model`; a run that was interrupted goes on with `resume`. Of a model whose encoder cannot be read back out of its folder, as
 * Swin's, the head trains alone, on image embeddings that the vision graph gives once (`finetuneHead`). Throws a TrainError
 * (missing-weight for `whole` on such a model, and for weights in 8 bits), a DataError, and the signal's reason when aborted.
 */
export async function finetune(model: string, photos: string, options: FinetuneOptions): Promise<FinetuneResult> {
  const { labels, whole = false, epochs, patience = 3, heldOut = 0.15, rate = 1e-3, seed = 1, out } = options;
  if (!(heldOut > 0 && heldOut < 1)) throw new TrainError("bad-train-config", `heldOut ${heldOut}: expected a share between 0 and 1`);
  // Before anything is written: what lies there says how the run that was started goes on.
  const state = join(out, "state.safetensors");
  if (options.resume !== true && existsSync(state)) throw alreadyStarted(state);
  if (isSwin(await readModelFolder(model))) {
    if (whole) throw new TrainError("missing-weight", `${model}: the weights of a Swin encoder are not in the folder one by one, so that it cannot train; leave out whole, or train from the checkpoint`);
    return finetuneHead(model, photos, options);
  }
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
  const trained = await train(file, options);
  const before = startFromModel(trained.model, trained.tags, start, seed);
  const decided = new Set(trained.decided);
  const untold = start.tags.map(({ id }) => id).filter((id) => !decided.has(id));
  // Features that the model carries are of the encoder that it has.
  const everyday = await holdBiases(trained.model, before, trained.weights, untold, whole ? [] : ((await readBackground(model)) ?? []), options);
  const result = { ...trained, weights: everyday.weights };
  const kept = new Set(start.tags.map(({ en }) => en));
  const lifts = [impliedLift(result.tags), impliedLift(chooseLifts(result.tags, result.named))];
  const judged = result.decided.map((id) => result.tags[id]!);
  const of: Float32Array[][] = [];
  for (const weights of [before, result.weights]) of.push(await scorePhotos(result.model, result.heldOut, result.config.normalisation, weights, options));
  // As a tagger scores them: with the start, and with the model to be written.
  const elsewhere = [everyday.before, everyday.after];
  lifts.forEach((lift, i) => [...of[i]!, ...elsewhere[i]!].forEach((row) => lift(row)));
  const moved = (id: number): [number[], number[]] => [0, 1].map((i) => [...of[i]!, ...elsewhere[i]!].map((row) => row[id]!)) as [number[], number[]];
  const thresholds = new Map(untold.map((id) => [id, start.tags[id]!.threshold === null ? null : carriedThreshold(start.tags[id]!.threshold, ...moved(id))] as const));
  const folder = join(out, "model");
  await finishModel(result, folder, { ...options, thresholds });
  return { folder, photos: count, heldOut: result.heldOut.length, ...finetuneReport(result.heldOut, judged, ({ en }) => !kept.has(en), { before: of[0]!, after: of[1]! }) };
}

const isSwin = ({ config }: ModelFolder): boolean => (config.network["encoder"] as { readonly kind?: unknown } | undefined)?.kind === "swin";

async function normalisationOf(model: string): Promise<{ mean: readonly number[]; std: readonly number[] }> {
  const { mean, std } = (await readModelFolder(model)).preprocessor;
  return { mean, std };
}

const writeJson = (file: string, value: unknown): Promise<void> => writeWhole(file, `${JSON.stringify(value, null, 2)}\n`);
