import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { absent, present, unknown } from "../data/tag-targets.js";
import { allThresholds, fitThreshold } from "../eval/threshold-target.js";
import { input } from "../graph/value.js";
import { slice, squeeze } from "../graph/ops/structure.js";
import { Params } from "../graph/params.js";
import { contactSheet, sheetName, sheetSide } from "../image/contact-sheet.js";
import type { Pixels } from "../image/pixels.js";
import { resizeBilinear } from "../image/resize.js";
import { projectTokens, allLabels, tagLogits } from "../model/ram-plus.js";
import { encodeOnnx } from "../onnx/write-onnx.js";
import { openSession } from "../runtime/session.js";
import { seededRandom } from "../tensor/random.js";
import { writeWhole } from "../write-whole.js";
import { clusterDirections, dot, unit } from "./cluster.js";
import { decodePhoto } from "./decode-photo.js";
import { heldOutMap } from "./held-out-map.js";
import { withLabelChanges, writeLabelChanges, type LabelChange } from "./label-changes.js";
import type { TrainingPhoto } from "./photo-store.js";
import { median } from "./median.js";
import { prepare, type Prepared } from "./prepare-run.js";
import { stampOf } from "./stamp.js";
import { runPhases } from "./train.js";
import { TrainError } from "./train-error.js";
import type { TrainOptions } from "./train-options.js";

export interface DataEngineOptions extends TrainOptions {
  /** Precision on the photos kept out that a score must stand for before its tag is proposed. @default 0.9 */
  readonly precision?: number;
  /** Tags whose changes get a contact sheet, those with most changes first. @default 40 */
  readonly sheets?: number;
}

/** What one step of the data engine changed, and whether it helped. */
export interface DataEngineStep {
  readonly name: "generate" | "clean";
  readonly added: number;
  readonly removed: number;
  /** By falling number of changes. */
  readonly tags: readonly { readonly tag: string; readonly added: number; readonly removed: number }[];
  /** Mean average precision on the photos kept out after the trial: without the step, and with it. */
  readonly before: number;
  readonly after: number;
  readonly kept: boolean;
}

export interface DataEngineReport {
  readonly photos: number;
  readonly heldOut: number;
  readonly steps: readonly DataEngineStep[];
  /** Changes of the steps that were kept, for `changes` of a training configuration. */
  readonly changes: string;
}

/** Photos of a sheet. */
const perSheet = 40;
/** Fewer held-out photos of a tag say too little about the precision of its scores. */
const leastPositives = 5;
/** Fewer photos of a tag are not clustered. */
const leastClustered = 20;
const photosPerCluster = 25;
const mostClusters = 8;
/** An outlier is so many deviations (1.4826 times the median one) further from its cluster than the median, and of the lowest share of scores. */
const outlierDeviations = 4;
const outlierShare = 0.05;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/**
 * The data engine of RAM (arXiv 2306.03514, section 3.3), on a training configuration that starts from a model. Generate: the
 * model's tags for photos whose labels say nothing of them, where the score stands for `precision` on photos kept out and is no
 * lower than the middle one of the tag's own photos. Clean: the photos of each tag are clustered by their image embeddings; labels
 * of those far outside whose score is low too, and of those that contradict another label, are not believed. After each step the
 * configuration's phases are run from the same start, with it and without; it is kept if the photos kept out, whose labels nothing
 * changes, are ranked better. `out` gets what each step changed (`generate.json`, `clean.json`), contact sheets of that,
 * what was kept (`changes.json`), and `report.json`.
 *
 * Throws a TrainError for a configuration whose phases are not all from tokens or that does not start from weights, and what
 * `train` throws.
 */
export async function improveLabels(file: string, options: DataEngineOptions): Promise<DataEngineReport> {
  const { precision = 0.9, sheets = 40, out } = options;
  await mkdir(out, { recursive: true });
  const prepared = await prepare(file, options);
  try {
    if (prepared.config.weights === null || prepared.config.phases.some((phase) => phase.from !== "tokens")) throw new TrainError("bad-train-config", `${file}: the data engine needs weights to start from and phases from tokens alone`);
    const { photos, index, heldOut } = prepared;
    const known = await scoreKnown(prepared, generationThresholds(await prepared.score(prepared.start, heldOut, options), prepared, precision), options);
    // Named in the configuration, so that a trial of other changes is not taken for this one when it goes on.
    const changed = (changes: readonly LabelChange[]): Prepared => ({ ...prepared, config: { ...prepared.config, changes: [stampOf(changes)] }, photos: withLabelChanges(photos, changes, index) });
    const trial = (name: string, changes: readonly LabelChange[]): Promise<number> => validateTrial(changed(changes), { ...options, out: join(out, name) });
    const steps: DataEngineStep[] = [];
    let [best, kept] = [await trial("unchanged", []), [] as LabelChange[]];
    const judge = async (name: DataEngineStep["name"], changes: LabelChange[], step: readonly LabelChange[]): Promise<void> => {
      await writeLabelChanges(join(out, `${name}.json`), step);
      await writeSheets(join(out, "sheets"), name, step.slice(0, sheets), photos);
      const after = await trial(name, changes);
      steps.push({ name, added: count(step, "added"), removed: count(step, "removed"), tags: step.map(({ tag, added, removed }) => ({ tag, added: added.length, removed: removed.length })), before: best, after, kept: after > best });
      if (after > best) [best, kept] = [after, changes];
    };
    const generated = byChanges(known.proposed);
    await judge("generate", generated, generated);
    const doubted = byChanges(doubtfulLabels(withLabelChanges(photos, kept, index), known, prepared));
    await judge("clean", merged(kept, doubted), doubted);
    const changes = join(out, "changes.json");
    await writeLabelChanges(changes, kept);
    const report: DataEngineReport = { photos: new Set(photos.map(({ name }) => name)).size, heldOut: heldOut.length, steps, changes };
    await writeWhole(join(out, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
    return report;
  } finally {
    await prepared.cache?.[Symbol.asyncDispose]();
  }
}

const count = (changes: readonly LabelChange[], which: "added" | "removed"): number => changes.reduce((sum, change) => sum + change[which].length, 0);

const byChanges = (changes: readonly LabelChange[]): LabelChange[] => changes.filter(({ added, removed }) => added.length + removed.length > 0).sort((a, b) => b.added.length + b.removed.length - a.added.length - a.removed.length);

/** For each tag the score from which it is proposed; Infinity: never. */
function generationThresholds(logits: readonly Float32Array[], { heldOut, decided, index }: Prepared, precision: number): Float64Array {
  const thresholds = new Float64Array(index.tags.length).fill(Infinity);
  for (const id of decided) {
    const said = heldOut.flatMap(({ targets }, i) => (targets[id] === unknown ? [] : [i]));
    const truth = Uint8Array.from(said, (i) => Number(heldOut[i]!.targets[id] === present));
    const scores = Float32Array.from(said, (i) => sigmoid(logits[i]![id]!));
    const own = scores.filter((_, i) => truth[i] === 1).sort();
    if (own.length < leastPositives) continue;
    const fitted = fitThreshold(allThresholds({ scores, truth }), { kind: "precision", value: precision });
    // Other sources' photos are unlike the tag's own, on which its precision was measured: a margin.
    if (fitted !== null) thresholds[id] = Math.max(fitted, own[Math.floor(own.length / 2)]!);
  }
  return thresholds;
}

/** What the start says of the photos trained on. */
interface Known {
  readonly proposed: readonly LabelChange[];
  /** By photo's name: its unit image embedding. */
  readonly embeddings: ReadonlyMap<string, Float32Array>;
  /** By photo's name: its logits of all tags. */
  readonly logits: ReadonlyMap<string, Float32Array>;
}

const batchSize = 64;

/** Runs the head over the kept tokens of all photos. */
async function scoreKnown({ photos, cache, positions, model, start, index, decided }: Prepared, thresholds: Float64Array, options: DataEngineOptions): Promise<Known> {
  const rows = cache!.shape[0] * cache!.shape[1];
  const p = Params.root();
  const embeds = projectTokens(input("tokens", "float32", ["batch", ...cache!.shape]), p, model);
  const logits = tagLogits(embeds, allLabels(p, model), p, model);
  await using session = await openSession({ bytes: await encodeOnnx({ logits, pooled: squeeze(slice(embeds, 1, 0, 1), 1) }, (name) => start.get(name)!) }, options);
  const distinct = [...new Map(photos.map((photo, i) => [photo.name, { photo, position: positions[i]! }])).values()];
  const proposed = new Map(decided.map((id) => [id, [] as string[]]));
  const [embeddings, kept] = [new Map<string, Float32Array>(), new Map<string, Float32Array>()];
  for (let from = 0; from < distinct.length; from += batchSize) {
    options.signal?.throwIfAborted();
    const batch = distinct.slice(from, from + batchSize);
    const tokens = new Float32Array(batch.length * rows);
    for (const [i, { position }] of batch.entries()) await cache!.read(position, tokens, i * rows);
    const result = await session.run({ tokens: { dtype: "float32", shape: [batch.length, ...cache!.shape], data: tokens } });
    const [scores, pooled] = [result["logits"]!.data as Float32Array, result["pooled"]!.data as Float32Array];
    batch.forEach(({ photo: { name, targets } }, i) => {
      const own = scores.slice(i * model.tags, (i + 1) * model.tags);
      kept.set(name, own);
      embeddings.set(name, unit(pooled.slice(i * model.textWidth, (i + 1) * model.textWidth)));
      for (const id of decided) if (targets[id] === unknown && sigmoid(own[id]!) >= thresholds[id]!) proposed.get(id)!.push(name);
    });
  }
  return { proposed: [...proposed].map(([id, added]) => ({ tag: index.tags[id]!.en, added, removed: [] })), embeddings, logits: kept };
}

/** Labels that are not believed: outliers of their tag, and those that imply what another label denies. */
function doubtfulLabels(all: readonly TrainingPhoto[], { embeddings, logits }: Known, { index, decided, config }: Prepared): LabelChange[] {
  const photos = [...new Map(all.map((photo) => [photo.name, photo])).values()];
  return decided.map((id) => {
    const own = photos.filter(({ targets }) => targets[id] === present);
    const implied = [...index.impliedBy(index.tags[id]!)];
    const removed = new Set(own.filter(({ targets }) => implied.some((parent) => targets[parent] === absent)).map(({ name }) => name));
    if (own.length >= leastClustered) for (const i of outliers(own.map(({ name }) => embeddings.get(name)!), own.map(({ name }) => logits.get(name)![id]!), config.seed)) removed.add(own[i]!.name);
    return { tag: index.tags[id]!.en, added: [], removed: [...removed] };
  });
}

/** Places of unit vectors that lie far outside their clusters and have one of the lowest scores. */
function outliers(vectors: readonly Float32Array[], scores: readonly number[], seed: number): number[] {
  const clusters = Math.min(mostClusters, Math.max(1, Math.floor(vectors.length / photosPerCluster)));
  const centres = clusterDirections(vectors, clusters, seededRandom(seed, 6));
  const distances = vectors.map((vector) => 1 - Math.max(...centres.map((centre) => dot(vector, centre))));
  const middle = median(distances);
  const limit = middle + outlierDeviations * 1.4826 * median(distances.map((distance) => Math.abs(distance - middle)));
  const low = [...scores].sort((a, b) => a - b)[Math.floor(scores.length * outlierShare)]!;
  return distances.flatMap((distance, i) => (distance > limit && scores[i]! <= low ? [i] : []));
}

/** Changes after which others are made: what is removed was not added. */
function merged(before: readonly LabelChange[], after: readonly LabelChange[]): LabelChange[] {
  const removals = new Map(after.map(({ tag, removed }) => [tag, new Set(removed)]));
  const additions = new Map(before.map(({ tag, added }) => [tag, added]));
  return [...new Set([...additions.keys(), ...removals.keys()])].map((tag) => {
    const gone = removals.get(tag) ?? new Set<string>();
    const added = additions.get(tag) ?? [];
    const were = new Set(added);
    return { tag, added: added.filter((name) => !gone.has(name)), removed: [...gone].filter((name) => !were.has(name)) };
  });
}

/** Mean average precision on the photos kept out, after the configuration's phases. */
async function validateTrial(prepared: Prepared, options: TrainOptions): Promise<number> {
  const weights = await runPhases(prepared, options);
  return heldOutMap(await prepared.score(weights, prepared.heldOut, options), prepared.heldOut, prepared.decided);
}

/** A sheet for each change, of the photos added or removed. A photo that cannot be read is left out. */
async function writeSheets(folder: string, step: string, changes: readonly LabelChange[], photos: readonly TrainingPhoto[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const byName = new Map(photos.map((photo) => [photo.name, photo]));
  for (const { tag, added, removed } of changes) {
    const names = added.length > 0 ? added : removed;
    // Spread over them all.
    const stride = Math.max(1, names.length / perSheet);
    const shown = Array.from({ length: Math.min(perSheet, names.length) }, (_, i) => byName.get(names[Math.floor(i * stride)]!)!);
    const pixels: Pixels[] = [];
    for (const photo of shown) {
      const seen = await decodePhoto(photo).catch(() => null);
      if (seen !== null) pixels.push(resizeBilinear(seen, sheetSide, sheetSide));
    }
    await writeWhole(join(folder, `${step} ${sheetName(tag)}.jpg`), await contactSheet(pixels));
  }
}
