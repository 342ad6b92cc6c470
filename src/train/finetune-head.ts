import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readModelFolder } from "../bundle/model-folder.js";
import { modelId } from "../bundle/model-id.js";
import { embedRows, type RamConfig } from "../model/config.js";
import { permutation, seededRandom } from "../tensor/random.js";
import { indexTags } from "../vocab/tag-index.js";
import type { Tag } from "../vocab/tag.js";
import { preciseF1Threshold } from "./f1-threshold.js";
import type { FinetuneOptions } from "./finetune.js";
import { labelsOf, withLabels } from "./finetune-labels.js";
import { finetuneReport, type FinetuneResult } from "./finetune-report.js";
import { keptEmbeddings, scoreEmbeddings } from "./kept-embeddings.js";
import { weightsOfAll, weightsOfTags } from "./label-rows.js";
import { readHeadStart } from "./model-start.js";
import { loadSource, nameWithin, type TrainingPhoto } from "./photo-store.js";
import type { Prepared } from "./prepare-run.js";
import type { TrainConfig } from "./train-config.js";
import { TrainError } from "./train-error.js";
import { runPhases } from "./train.js";
import type { TrainingState } from "./trainer.js";
import { addBackground, writeHeadFolder } from "./write-head-folder.js";

const batch = 32;
/** Tags of which the labels say nothing, whose logits are held where they were, and how strongly. */
const [heldTags, heldWeight] = [256, 0.05];
const leastPositives = 5;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/**
 * Trains the head of a model of any size on the image embeddings that its own vision graph gives once for each photo; encoder,
 * `image_proj` and the descriptions of its tags stay as they are, as in the reference's fine-tuning. New tags get rows of their
 * own, which begin where the photos that show them lie and are trained. Only tags that the labels decide take part, and others
 * whose logits are held to what they were: tags do not see each other, so the size of the vocabulary costs nothing.
 */
export async function finetuneHead(folder: string, photos: string, options: FinetuneOptions): Promise<FinetuneResult> {
  const { labels, epochs = 30, patience = 3, heldOut: share = 0.15, rate = 1e-4, seed = 1, out, signal } = options;
  const read = await readModelFolder(folder);
  const start = await readHeadStart(folder);
  const { names, count } = await labelsOf(photos, labels, signal);
  const vocabulary = withLabels(start.tags, names);
  const index = indexTags(vocabulary);
  const common = { limit: null, captions: false, pixels: false } as const;
  const source = labels === undefined ? ({ kind: "set", path: resolve(photos), ...common } as const) : ({ kind: "photos", path: resolve(photos), labels: resolve(labels), ...common } as const);
  const loaded = await loadSource(source, ".", index, seed, signal);
  await mkdir(out, { recursive: true });
  await using cache = await keptEmbeddings(read, [embedRows(start.model), start.model.textWidth], loaded.photos, options);
  const places = new Map(cache.names.map((name, i) => [name, i]));

  const judged = loaded.covered;
  const decided = new Set(judged);
  const others = start.tags.map(({ id }) => id).filter((id) => !decided.has(id));
  const ids = [...judged, ...Array.from(permutation(others.length, seededRandom(seed, 7)).subarray(0, heldTags), (i) => others[i]!)];
  // What cannot be read has no embedding, and was told of when the embeddings were made.
  const known = loaded.photos.filter(({ name }) => places.has(name)).map((photo) => ({ ...photo, targets: Int8Array.from(ids, (id) => photo.targets[id]!) }));
  const outside = (photo: TrainingPhoto): boolean => seededRandom(seed, 4, ...new TextEncoder().encode(nameWithin(source, ".", photo)))() < share;
  const [training, heldOut] = [known.filter((photo) => !outside(photo)), known.filter(outside)];
  if (training.length === 0 || heldOut.length === 0) throw new TrainError("too-few-photos", `${photos}: ${known.length} photos that can be read, too few to keep some out`);
  const positions = (of: readonly TrainingPhoto[]): Int32Array => Int32Array.from(of, ({ name }) => places.get(name)!);

  const model: RamConfig = { ...start.model, tags: ids.length };
  const added = new Set(ids.flatMap((id, i) => (id >= start.tags.length ? [i] : [])));
  const weights = await weightsOfTags(start.weights, start.model, ids, { cache, positions: positions(training), photos: training, seed });
  const score = (state: TrainingState, of: readonly TrainingPhoto[]): Promise<Float32Array[]> => scoreEmbeddings(model, state, cache, positions(of), options);
  const startLogits = new Float32Array(training.length * ids.length);
  (await score(weights, training)).forEach((row, i) => startLogits.set(row, i * ids.length));

  const steps = (times: number): number => Math.max(10, Math.ceil((times * training.length) / batch));
  const phase = { name: "head", from: "embeds", steps: steps(epochs), batch, drawnTags: Math.min(64, ids.length), tags: [], rate, warmup: 10, rateScales: {}, weightDecay: 0, clipNorm: 1, stochasticDepth: 0, augment: false, silence: 0, proposals: "kept", imageSize: null, cropArea: 1, patience, ema: 0, losses: { tagging: 1, distillation: 0, classDistillation: 0, tagAlignment: 0, retention: heldWeight } } as const;
  const { modelType: _type, tags: _tags, ...sizes } = model;
  const config: TrainConfig = { model: sizes, vocabulary: folder, classifier: null, proposer: null, weights: await modelId(read, signal), blend: null, teacher: null, sources: [source], leaveOut: [], changes: [], heldOut: share, phases: [phase], normalisation: read.preprocessor, seed, logEvery: Math.max(1, Math.min(25, steps(1))), saveEvery: steps(1) };
  const prepared: Prepared = { config, model, index: indexTags(ids.map((id, i) => ({ ...vocabulary[id]!, id: i, parents: [] }))), photos: training, heldOut, decided: judged.map((_, i) => i), named: [], proposed: [], cropProposer: null, cache, positions: positions(training), features: null, start: weights, score, head: { added, startLogits } };
  const trained = await runPhases(prepared, options);

  const [before, after] = [await score(weights, heldOut), await score(trained, heldOut)];
  const thresholds = new Map(judged.map((id, i) => [id, thresholdOf(heldOut, after, i) ?? vocabulary[id]!.threshold] as const));
  const target = join(out, "model");
  const tags = vocabulary.map((tag): Tag => ({ ...tag, threshold: thresholds.has(tag.id) ? thresholds.get(tag.id)! : tag.threshold }));
  await writeHeadFolder(target, read, start.dtype, { ...start.model, tags: tags.length }, tags, weightsOfAll(start.weights, trained, start.model, added, tags.length, ids));
  await addBackground(target, cache, positions(heldOut));
  return { folder: target, photos: count, heldOut: heldOut.length, ...finetuneReport(heldOut, judged.map((id, i) => ({ ...vocabulary[id]!, id: i })), ({ id }) => added.has(id), { before, after }) };
}

function thresholdOf(heldOut: readonly TrainingPhoto[], logits: readonly Float32Array[], tag: number): number | null {
  const said = heldOut.flatMap(({ targets }, i) => (targets[tag] === -1 ? [] : [i]));
  const best = preciseF1Threshold(said.map((i) => sigmoid(logits[i]![tag]!)), said.map((i) => heldOut[i]!.targets[tag] === 1), leastPositives);
  return best === null ? null : Math.round(best.threshold * 1e4) / 1e4;
}
