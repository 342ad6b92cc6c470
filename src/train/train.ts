import { createHash } from "node:crypto";
import { appendFile, mkdir, readFile, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Params } from "../graph/params.js";
import { slice, squeeze } from "../graph/ops/structure.js";
import type { Value } from "../graph/value.js";
import { readSafetensors } from "../checkpoint/read-safetensors.js";
import { parseJson } from "../json.js";
import { referenceCrop } from "../image/crop.js";
import type { RamConfig } from "../model/config.js";
import { encoderGrid, encoderWidth } from "../model/config.js";
import { encode, projectTokens } from "../model/ram-plus.js";
import type { SessionOptions } from "../runtime/device.js";
import { seededRandom } from "../tensor/random.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Tag } from "../vocab/tag.js";
import { indexTags, type TagIndex } from "../vocab/tag-index.js";
import { parseTags } from "../vocab/tag-list.js";
import { defaultAdamW } from "./adamw.js";
import { openAugmentWorkers, type AugmentWorkers } from "./augment-workers.js";
import { batchesAhead, drawTags, photoOrder, pixelInputs, tokenInputs, type Batch, type BatchPlan } from "./batches.js";
import { startFromClassifier, type Classifier } from "./classifier-start.js";
import { heldOutMap } from "./held-out-map.js";
import { initialWeights } from "./initial-weights.js";
import { readModelStart, startFromModel } from "./model-start.js";
import { loadSource, type TrainingPhoto } from "./photo-store.js";
import { learningRate } from "./schedules.js";
import { encodePhotos, runOverPhotos, scorePhotos } from "./score-photos.js";
import { openTokenCache, writeTokenCache, type TokenCache } from "./token-cache.js";
import { parseTrainConfig, rateScaleOf, type TrainConfig, type TrainPhase } from "./train-config.js";
import { TrainError } from "./train-error.js";
import { createTrainer, type TrainingState } from "./trainer.js";
import { loadState, saveState, type SavedState } from "./training-state.js";

export interface TrainOptions extends SessionOptions {
  /** Folder of the run: state, log and caches. */
  readonly out: string;
  /** Go on from the state in `out`; without it, a state there is an error. @default false */
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
  /** Told of each photo that cannot be read and is left out of a step. */
  readonly onUnreadable?: (message: string) => void;
  /** Told after every `logEvery` steps and at the end of each phase. */
  readonly onProgress?: (progress: TrainProgress) => void;
}

export interface TrainProgress {
  readonly phase: string;
  /** Steps done in this phase, and its number of steps. */
  readonly step: number;
  readonly steps: number;
  /** Means since the last report: `loss` and its terms. */
  readonly losses: Readonly<Record<string, number>>;
  readonly imagesPerSecond: number;
  /** Time left in this phase, in seconds. */
  readonly secondsLeft: number;
  /** Mean average precision on held-out photos, at the end of a phase. */
  readonly validation?: number;
}

/** A finished run. */
export interface TrainResult {
  readonly model: RamConfig;
  readonly tags: readonly Tag[];
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly config: TrainConfig;
  /** Photos kept out of training, for calibration. */
  readonly heldOut: readonly TrainingPhoto[];
  /** Tags that some source decides. */
  readonly decided: readonly number[];
}

/** Everything that the phases share. */
interface Prepared {
  readonly config: TrainConfig;
  readonly model: RamConfig;
  readonly index: TagIndex;
  readonly photos: readonly TrainingPhoto[];
  readonly heldOut: readonly TrainingPhoto[];
  readonly decided: readonly number[];
  /** The start's tokens of the training photos, and each photo's place among them. */
  readonly cache: TokenCache | null;
  readonly positions: Int32Array;
  /** The start's global embedding of a photo, for distillation. */
  readonly features: Float32Array | null;
  readonly start: TrainingState;
}

async function readJson(file: string): Promise<unknown> {
  try {
    return parseJson(await readFile(file, "utf8"));
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new TrainError("bad-train-config", `${file}: ${missing ? "does not exist" : `cannot be read: ${(cause as Error).message}`}`, { cause });
  }
}

/** Reads the vocabulary of a model to be trained: tags without ids and thresholds. */
async function readVocabulary(file: string): Promise<Tag[]> {
  const json = await readJson(file);
  if (!Array.isArray(json)) throw new TrainError("bad-train-config", `${file}: a vocabulary is a list of tags`);
  return parseTags(
    json.map((tag: object, id) => ({ id, threshold: 0.5, ...tag })),
    file,
  );
}

function classesOf(json: unknown): readonly { readonly wnid: string | null }[] | null {
  const { classes } = (json ?? {}) as { classes?: unknown };
  if (!Array.isArray(classes)) return null;
  const known = classes.every((entry: unknown) => typeof entry === "object" && entry !== null && "wnid" in entry && (entry.wnid === null || typeof entry.wnid === "string"));
  return known ? (classes as { wnid: string | null }[]) : null;
}

/** Reads a classifier's folder: `weights.safetensors`, whose `classifier.weight` has a row for each of `classes.json`. */
async function readClassifier(folder: string): Promise<Classifier> {
  const tensors = await readSafetensors(join(folder, "weights.safetensors"));
  const classes = classesOf(await readJson(join(folder, "classes.json")));
  if (classes === null) throw new TrainError("bad-train-config", `${join(folder, "classes.json")}: expected an object with \`classes\`, each with a \`wnid\` or null`);
  const table = tensors.get("classifier.weight");
  if (table === undefined || table.shape[0] !== classes.length) throw new TrainError("bad-train-config", `${folder}: classifier.weight must have a row for each of the ${classes.length} classes`);
  const width = table.shape[1]!;
  const rows = new Map(classes.flatMap(({ wnid }, i) => (wnid === null ? [] : [[wnid, (table.data as Float32Array).slice(i * width, (i + 1) * width)] as const])));
  return { encoder: new Map([...tensors].filter(([name]) => !name.startsWith("classifier."))), rows };
}

/** Kept tokens are the start's: an encoder that has trained since gives others. */
function checkTokenPhases({ phases }: TrainConfig, file: string): void {
  const last = phases.findLastIndex((phase) => phase.from === "tokens");
  const trained = phases.findIndex((phase) => phase.from === "pixels" && rateScaleOf(phase)("visual_encoder.") > 0);
  if (trained >= 0 && trained < last) throw new TrainError("bad-train-config", `${file}: phase ${phases[last]!.name} trains on the start's tokens, after phase ${phases[trained]!.name} has trained the encoder: put it first`);
}

async function prepare(file: string, options: TrainOptions): Promise<Prepared> {
  const base = dirname(resolve(file));
  const config = parseTrainConfig(await readJson(file), file);
  checkTokenPhases(config, file);
  const tags = await readVocabulary(resolve(base, config.vocabulary));
  const index = indexTags(tags);
  const { encoder, ...sizes } = config.model;
  const model: RamConfig = { modelType: "ram_plus", encoder, ...sizes, tags: tags.length };
  const photos: TrainingPhoto[] = [];
  const heldOut: TrainingPhoto[] = [];
  const decided = new Set<number>();
  for (const source of config.sources) {
    const loaded = await loadSource(source, base, index, config.seed, options.signal);
    for (const id of loaded.covered) decided.add(id);
    for (const photo of loaded.photos) {
      const outside = seededRandom(config.seed, 4, ...new TextEncoder().encode(photo.name))() < config.heldOut;
      (outside ? heldOut : photos).push(photo);
    }
  }
  const shared = { config, model, index, photos, heldOut, decided: [...decided].sort((a, b) => a - b) };
  if (config.classifier === null || config.weights !== null) {
    const fromTokens = config.phases.some((phase) => phase.from === "tokens");
    if (fromTokens && config.weights === null) throw new TrainError("bad-train-config", `${file}: a phase from tokens needs a classifier or weights to start from`);
    const start = config.weights === null ? initialWeights(model, config.seed) : await startWeights(resolve(base, config.weights), model, tags, config.seed);
    const distils = config.weights !== null && config.phases.some((phase) => phase.losses.distillation > 0);
    if (fromTokens) {
      const kept = await keptTokens(shared, start, options);
      return { ...shared, ...kept, features: distils ? projectAll(await pooledFeatures(kept.cache, kept.positions), start, model.textWidth) : null, start };
    }
    return { ...shared, cache: null, positions: new Int32Array(0), features: distils ? await startEmbeddings(shared, start, options) : null, start };
  }
  const classifier = await readClassifier(resolve(base, config.classifier));
  const encoderWeights = new Map([...classifier.encoder].map(([name, tensor]) => [`visual_encoder.${name}`, tensor]));
  const { cache, positions } = await keptTokens(shared, encoderWeights, options);
  const pooled = await pooledFeatures(cache, positions);
  const mean = meanOf(pooled);
  const start = startFromClassifier(model, classifier, index, mean, (tag) => photos.flatMap((photo, i) => (photo.targets[tag] === 1 ? [pooled[i]!] : [])).slice(0, 300), config.seed);
  const features = config.phases.some((phase) => phase.losses.distillation > 0) ? projectAll(pooled, start, model.textWidth) : null;
  return { ...shared, cache, positions, features, start };
}

/** The encoder's tokens of the training photos, and each photo's place among them. */
async function keptTokens(shared: Pick<Prepared, "config" | "model" | "photos">, encoder: TrainingState, options: TrainOptions): Promise<{ cache: TokenCache; positions: Int32Array }> {
  const cache = await tokensOf(shared, encoder, options);
  const places = new Map(cache.names.map((name, i) => [name, i]));
  return { cache, positions: Int32Array.from(shared.photos, (photo) => places.get(photo.name)!) };
}

/** The weights of another run's state, or of a model folder. */
async function startWeights(path: string, model: RamConfig, tags: readonly Tag[], seed: number): Promise<TrainingState> {
  const info = await stat(path).catch(() => null);
  return info?.isDirectory() === true ? startFromModel(model, tags, await readModelStart(path), seed) : weightsOnly(await readSafetensors(path));
}

/** The start's global embedding of all training photos, [photos, W]. */
async function startEmbeddings({ config, model, photos }: Pick<Prepared, "config" | "model" | "photos">, start: TrainingState, options: TrainOptions): Promise<Float32Array> {
  const rows = new Float32Array(photos.length * model.textWidth);
  const pooled = (image: Value, p: Params): Value => squeeze(slice(projectTokens(encode(image, p, model), p, model), 1, 0, 1), 1);
  let done = 0;
  const began = performance.now();
  for await (const { photos: batch, output } of runOverPhotos(photos, model.encoder.imageSize, config.normalisation, pooled, start, options)) {
    options.signal?.throwIfAborted();
    rows.set(output.data, done * model.textWidth);
    done += batch.length;
    const rate = (done / (performance.now() - began)) * 1000;
    options.onProgress?.({ phase: "encoding photos", step: done, steps: photos.length, losses: {}, imagesPerSecond: rate, secondsLeft: (photos.length - done) / rate });
  }
  return rows;
}

/** The start's tokens of all training photos, from the run's cache or made now. */
async function tokensOf({ config, model, photos }: Pick<Prepared, "config" | "model" | "photos">, encoder: ReadonlyMap<string, Tensor>, options: TrainOptions): Promise<TokenCache> {
  const file = join(options.out, "tokens.f16");
  const stamp = stampOf([model.encoder, config.classifier, config.weights, config.sources, config.heldOut, config.seed, config.normalisation, photos.length]);
  const kept = await openTokenCache(file, stamp);
  if (kept !== null) return kept;
  const batches = async function* (): AsyncGenerator<{ names: string[]; tokens: Float32Array }> {
    let done = 0;
    const began = performance.now();
    for await (const { photos: batch, output } of encodePhotos(model, photos, config.normalisation, encoder, options)) {
      options.signal?.throwIfAborted();
      yield { names: batch.map((photo) => photo.name), tokens: output.data };
      done += batch.length;
      const rate = (done / (performance.now() - began)) * 1000;
      options.onProgress?.({ phase: "encoding photos", step: done, steps: photos.length, losses: {}, imagesPerSecond: rate, secondsLeft: (photos.length - done) / rate });
    }
  };
  await writeTokenCache(file, stamp, [1 + encoderGrid(model.encoder) ** 2, encoderWidth(model.encoder)], batches());
  return (await openTokenCache(file, stamp))!;
}

async function pooledFeatures(cache: TokenCache, positions: Int32Array): Promise<Float32Array[]> {
  const result: Float32Array[] = [];
  for (const position of positions) {
    const row = new Float32Array(cache.shape[1]);
    await cache.read(position, row, 0, 1);
    result.push(row);
  }
  return result;
}

function meanOf(rows: readonly Float32Array[]): Float32Array {
  const sum = new Float64Array(rows[0]!.length);
  for (const row of rows) for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + row[i]!;
  return Float32Array.from(sum, (v) => v / rows.length);
}

/** `image_proj` of the start on pooled features: one row of the shared width for each photo. */
function projectAll(pooled: readonly Float32Array[], start: TrainingState, width: number): Float32Array {
  const weight = start.get("image_proj.weight")!.data as Float32Array;
  const bias = start.get("image_proj.bias")!.data as Float32Array;
  const out = new Float32Array(pooled.length * width);
  pooled.forEach((feature, photo) => {
    for (let o = 0; o < width; o++) {
      let sum = bias[o]!;
      const row = o * feature.length;
      for (let i = 0; i < feature.length; i++) sum += weight[row + i]! * feature[i]!;
      out[photo * width + o] = sum;
    }
  });
  return out;
}

const stampOf = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);

/**
 * Trains by the configuration file, phase after phase, saving to `options.out` as it goes. A run killed at any moment goes on
 * from its last state with `resume`, to the same losses. Throws a TrainError for a wrong configuration or state, a DataError
 * for unreadable sets, and the signal's reason when aborted (after saving).
 */
export async function train(file: string, options: TrainOptions): Promise<TrainResult> {
  await mkdir(options.out, { recursive: true });
  const prepared = await prepare(file, options);
  const { config, model, index, heldOut, decided } = prepared;
  const stamp = stampOf([config, index.tags.map((tag) => tag.en)]);
  const stateFile = join(options.out, "state.safetensors");
  const bestFile = join(options.out, "best.safetensors");
  let current: SavedState;
  try {
    const saved = await loadState(stateFile, stamp);
    if (saved !== null && !options.resume) throw alreadyStarted(stateFile);
    current = saved ?? { phase: 0, step: 0, state: prepared.start };
    for (let number = current.phase; number < config.phases.length; number++) {
      const state = await runPhase(prepared, number, number === current.phase ? current : { phase: number, step: 0, state: weightsOnly(current.state) }, { save: (next) => saveState(stateFile, stamp, next), saveBest: (next) => saveState(bestFile, stamp, next), loadBest: () => loadState(bestFile, stamp).catch(() => null) }, options);
      current = { phase: number + 1, step: 0, state };
      await saveState(stateFile, stamp, { ...current, state: weightsOnly(state) });
    }
  } finally {
    await prepared.cache?.[Symbol.asyncDispose]();
  }
  return { model, tags: index.tags, weights: weightsOnly(current.state), config, heldOut, decided };
}

/** What is said of a run where another one was started. */
export const alreadyStarted = (file: string): TrainError => new TrainError("bad-training-state", `${file}: a run was started here; add --resume to go on, or choose another --out`);

function weightsOnly(state: TrainingState): Map<string, Tensor> {
  return new Map([...state].filter(([name]) => !name.startsWith("momentum/") && !name.startsWith("variance/")));
}

/** Where a phase keeps its states. */
interface StateFiles {
  readonly save: (state: SavedState) => Promise<void>;
  readonly saveBest: (state: SavedState) => Promise<void>;
  readonly loadBest: () => Promise<SavedState | null>;
}

async function runPhase(prepared: Prepared, number: number, from: SavedState, { save, saveBest, loadBest }: StateFiles, options: TrainOptions): Promise<TrainingState> {
  const { config, model, photos, heldOut, decided, features } = prepared;
  const phase = config.phases[number]!;
  const { signal, out } = options;
  await using trainer = await createTrainer(
    {
      model,
      batch: phase.batch,
      drawnTags: phase.drawnTags,
      from: phase.from,
      // Losses that are sums over photos become means, so that weights do not depend on the batch.
      losses: { tagging: phase.losses.tagging / phase.batch, retention: phase.losses.retention / phase.batch, tagAlignment: phase.losses.tagAlignment / phase.batch, distillation: phase.losses.distillation, textAlignment: 0 },
      rateScale: rateScaleOf(phase),
      stochasticDepth: phase.stochasticDepth,
      optimizer: { ...defaultAdamW, weightDecay: phase.weightDecay },
      clipNorm: phase.clipNorm,
    },
    from.state,
    options,
  );
  const augmentation = { size: model.encoder.imageSize, normalisation: config.normalisation, cropping: { ...referenceCrop, area: [0.35, 1] }, operations: phase.augment } as const;
  await using workers = phase.from === "tokens" ? null : openAugmentWorkers(augmentation, Math.max(1, availableParallelism() >> 1));
  const makeBatch = batchMaker(prepared, workers, phase, number, trainer.branches);
  const schedule = { steps: phase.steps, warmup: phase.warmup, peak: phase.rate, minimum: phase.rate / 50 };
  let [sums, since, began] = [new Map<string, number>(), 0, performance.now()];
  const report = async (step: number, validation?: number): Promise<void> => {
    const imagesPerSecond = (since * phase.batch * 1000) / (performance.now() - began);
    const losses = Object.fromEntries([...sums].map(([name, sum]) => [name, sum / since]));
    const progress: TrainProgress = { phase: phase.name, step, steps: phase.steps, losses, imagesPerSecond, secondsLeft: ((phase.steps - step) * phase.batch) / imagesPerSecond, ...(validation !== undefined && { validation }) };
    options.onProgress?.(progress);
    await appendFile(join(out, "log.jsonl"), `${JSON.stringify({ phase: phase.name, step, ...losses, ...(validation !== undefined && { validation }) })}\n`);
    [sums, since, began] = [new Map(), 0, performance.now()];
  };
  const sample = heldOut.slice(0, 1000);
  const validate = async (state: TrainingState): Promise<number> => heldOutMap(await scorePhotos(model, sample, config.normalisation, state, options), sample, decided);
  // One that is kept belongs to this phase, and lies before where the run goes on.
  const kept = phase.patience > 0 && from.step > 0 ? await loadBest() : null;
  let best = kept?.phase === number && kept.step <= from.step && kept.validation !== undefined ? kept : null;
  let step = from.step;
  for await (const batch of batchesAhead(makeBatch, from.step, phase.steps)) {
    if (signal?.aborted) {
      await save({ phase: number, step, state: await trainer.state() });
      signal.throwIfAborted();
    }
    const losses = await trainer.step(batch, learningRate(step, schedule), step + 1);
    if (!Number.isFinite(losses["loss"])) throw new TrainError("diverged", `phase ${phase.name}, step ${step + 1}: the loss is ${losses["loss"]}; lower its rate`);
    for (const [name, value] of Object.entries(losses)) sums.set(name, (sums.get(name) ?? 0) + value);
    step++;
    since++;
    // Logged before it is saved: a kill in between repeats a line, and loses none.
    if (step >= phase.steps) continue;
    const state = step % config.saveEvery === 0 ? await trainer.state() : null;
    const validation = state !== null && phase.patience > 0 ? await validate(state) : undefined;
    if (step % config.logEvery === 0 || validation !== undefined) await report(step, validation);
    if (state === null) continue;
    if (validation !== undefined && (best === null || validation > best.validation!)) {
      best = { phase: number, step, state: weightsOnly(state), validation };
      await saveBest(best);
    }
    await save({ phase: number, step, state });
    if (best !== null && step - best.step >= phase.patience * config.saveEvery) break;
  }
  const state = await trainer.state();
  const validation = await validate(state);
  if (since > 0) await report(step, validation);
  return best !== null && best.validation! > validation ? best.state : state;

  function batchMaker({ index, cache, positions }: Prepared, workers: AugmentWorkers | null, { losses, batch, drawnTags, stochasticDepth }: TrainPhase, phaseNumber: number, branches: number): (step: number) => Promise<Batch> {
    const seed = config.seed * 1000 + phaseNumber;
    const isDecided = new Set(decided);
    const undecided = index.tags.map((tag) => tag.id).filter((id) => !isDecided.has(id));
    const plan: BatchPlan = { photos, batch, drawnTags, decided, undecided, retain: losses.retention > 0, seed };
    const indicesOf = photoOrder(plan);
    return async (at) => {
      const indices = indicesOf(at);
      const feature = features === null || losses.distillation === 0 ? {} : { feature: rowsOf(features, model.textWidth, indices) };
      const drawn = drawTags(plan, indices, at);
      // A photo that cannot be read carries no loss, and the run goes on.
      const forget = (row: number, message: string): void => {
        (drawn["known"]!.data as Uint8Array).fill(0, row * drawnTags, (row + 1) * drawnTags);
        options.onUnreadable?.(message);
      };
      const inputs = workers === null ? tokenInputs(cache!, positions) : pixelInputs(photos, model.encoder.imageSize, workers, seed, forget);
      return { ...(await inputs(indices, at)), ...drawn, ...feature, ...branchScales(branches, batch, stochasticDepth, seededRandom(seed, 5, at)) };
    };
  }
}

function rowsOf(table: Float32Array, width: number, indices: Int32Array): Tensor<"float32"> {
  const data = new Float32Array(indices.length * width);
  indices.forEach((row, i) => data.set(table.subarray(row * width, (row + 1) * width), i * width));
  return { dtype: "float32", shape: [indices.length, width], data };
}

/** Stochastic depth (Huang et al. 2016): each branch of each photo is dropped with a probability that rises linearly, and scaled up otherwise. */
function branchScales(branches: number, batch: number, highest: number, random: () => number): Record<string, Tensor> {
  return Object.fromEntries(
    Array.from({ length: branches }, (_, branch) => {
      const drop = branches === 1 ? highest : (highest * branch) / (branches - 1);
      return [`branch_scale/${branch}`, { dtype: "float32", shape: [batch], data: Float32Array.from({ length: batch }, () => (random() < drop ? 0 : 1 / (1 - drop))) } as Tensor];
    }),
  );
}
