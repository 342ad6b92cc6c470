import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { readSafetensors } from "../checkpoint/read-safetensors.js";
import { unknown } from "../data/tag-targets.js";
import { slice } from "../graph/ops/structure.js";
import type { Params } from "../graph/params.js";
import type { Value } from "../graph/value.js";
import { parseJson } from "../json.js";
import { encoderWidth, hasSideNetwork, tokenCount, type RamConfig } from "../model/config.js";
import { encode, projectTokens } from "../model/ram-plus.js";
import { seededRandom } from "../tensor/random.js";
import { float32 } from "../tensor/tensor.js";
import { indexTags, type TagIndex } from "../vocab/tag-index.js";
import type { Tag } from "../vocab/tag.js";
import { parseTags } from "../vocab/tag-list.js";
import { hasClassifierRows, startClassifier, undecidedBy } from "./classifier-rows.js";
import { startFromClassifier } from "./classifier-start.js";
import { denyKinds } from "./denied-kinds.js";
import { initialWeights } from "./initial-weights.js";
import { readLabelChanges, withLabelChanges } from "./label-changes.js";
import { readModelStart, startFromModel } from "./model-start.js";
import { keptOutputs, type KeptFrom } from "./kept-outputs.js";
import { loadSource, nameWithin, type TrainingPhoto } from "./photo-store.js";
import { scorePhotos } from "./score-photos.js";
import { proposalsFor, type Proposals } from "./proposals.js";
import { readClassifier } from "./read-classifier.js";
import { hasSideWeights, startSideNetwork, withoutSideNetwork } from "./side-start.js";
import { tagTables } from "./tag-tables.js";
import type { TokenCache } from "./token-cache.js";
import { byBeginning, parseTrainConfig, rateScaleOf, type TrainConfig } from "./train-config.js";
import { TrainError } from "./train-error.js";
import type { TrainOptions } from "./train-options.js";
import type { TrainingState } from "./trainer.js";
import { weightsOnly } from "./weight-average.js";

/** Everything that the phases of a run share. */
export interface Prepared {
  readonly config: TrainConfig;
  readonly model: RamConfig;
  readonly index: TagIndex;
  readonly photos: readonly TrainingPhoto[];
  readonly heldOut: readonly TrainingPhoto[];
  readonly decided: readonly number[];
  /** Those of them that labels name, and do not only imply. */
  readonly named: readonly number[];
  /** Tags that a classifier proposes, decided or not. */
  readonly proposed: readonly number[];
  /** The proposer as a step takes it, for phases in which it looks at crops. */
  readonly cropProposer: Proposals["cropProposer"];
  /** The start's tokens of the training photos (image embeddings for phases from these), and each photo's place among them. */
  readonly cache: TokenCache | null;
  readonly positions: Int32Array;
  /** The start's global embedding of a photo, for distillation. */
  readonly features: Float32Array | null;
  readonly start: TrainingState;
  /** Logits of all tags, for validation. */
  readonly score: (weights: TrainingState, photos: readonly TrainingPhoto[], options: TrainOptions) => Promise<Float32Array[]>;
  /** For phases from embeddings. */
  readonly head: HeadRun | null;
}

/** What a run of the head alone knows besides. */
export interface HeadRun {
  /** Tags whose rows of the label table train. */
  readonly added: ReadonlySet<number>;
  /** The start's logits of the training photos, [photos, tags]. */
  readonly startLogits: Float32Array;
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

/** The id of a tag that `place` of a configuration names. */
function idOf(index: TagIndex, name: string, file: string, place: string): number {
  const tag = index.byName(name);
  if (tag === undefined) throw new TrainError("bad-train-config", `${file}: ${place} names ${JSON.stringify(name)}, which is no tag of the vocabulary`);
  return tag.id;
}

/** Told before photos are read: tags that are none, and a phase whose steps draw more tags than it names. */
function checkTagNames({ blend, phases }: TrainConfig, index: TagIndex, file: string): void {
  for (const name of blend?.tags ?? []) idOf(index, name, file, "blend");
  for (const { name, tags, drawnTags } of phases) {
    const ids = new Set(tags.map((tag) => idOf(index, tag, file, `phase ${name}`)));
    if (ids.size > 0 && drawnTags > ids.size) throw new TrainError("bad-train-config", `${file}: phase ${name} draws ${drawnTags} tags of ${ids.size}: lower its drawnTags, or name more tags`);
  }
}

/** Kept tokens are the start's: an encoder that has trained since gives others. And they are of the model's size. */
function checkPhases({ model, phases, sources, classifier, weights }: TrainConfig, file: string): void {
  if (hasSideNetwork(model.encoder) && classifier !== null && weights === null) throw new TrainError("bad-train-config", `${file}: a side network begins with the classifier where the rest begins with weights of a network that was trained: add "weights", or remove sideNetwork`);
  const last = phases.findLastIndex((phase) => phase.from === "tokens");
  const trained = phases.findIndex((phase) => phase.from === "pixels" && rateScaleOf(phase)("visual_encoder.") > 0);
  if (trained >= 0 && trained < last) throw new TrainError("bad-train-config", `${file}: phase ${phases[last]!.name} trains on the start's tokens, after phase ${phases[trained]!.name} has trained the encoder: put it first`);
  const distils = phases.find(({ losses }) => losses.classDistillation > 0);
  if (distils !== undefined && !sources.some((source) => source.proposals === true)) throw new TrainError("bad-train-config", `${file}: phase ${distils.name} has a classDistillation, which is of what the proposer says: add "proposals": true to a source, or remove it`);
  const looks = phases.find(({ from, proposals }) => proposals === "crops" && (from !== "pixels" || !sources.some((source) => source.proposals === true)));
  if (looks !== undefined) throw new TrainError("bad-train-config", `${file}: phase ${looks.name} has the proposer look at crops: that is for phases from pixels, with a source that has "proposals": true`);
  // Swin's windows, and with them its tables of position biases, follow from the side.
  const sized = phases.find(({ from, imageSize }) => imageSize !== null && (from !== "pixels" || model.encoder.kind !== "mobilenet_v2"));
  if (sized !== undefined) throw new TrainError("bad-train-config", `${file}: phase ${sized.name} has an imageSize of its own, which is for phases from pixels of a mobilenet_v2 encoder: remove it`);
}

/** Reads a configuration, its photos and what the run starts from. Throws a TrainError or a DataError naming what is wrong. */
export async function prepare(file: string, options: TrainOptions): Promise<Prepared> {
  const base = dirname(resolve(file));
  const config = parseTrainConfig(await readJson(file), file);
  checkPhases(config, file);
  const tags = await readVocabulary(resolve(base, config.vocabulary));
  const index = indexTags(tags);
  const { encoder, ...sizes } = config.model;
  const model: RamConfig = { modelType: "ram_plus", encoder, ...sizes, tags: tags.length };
  let photos: TrainingPhoto[] = [];
  let heldOut: TrainingPhoto[] = [];
  const [decided, named, namedWhereSilent, lookedFor] = [new Set<number>(), new Set<number>(), new Set<number>(), new Set<number>()];
  /** Names of photos whose silence a classifier fills. */
  const silent = new Set<string>();
  const leftOut = config.leaveOut.map((name) => idOf(index, name, file, "leaveOut"));
  checkTagNames(config, index, file);
  for (const source of config.sources) {
    const loaded = await loadSource(source, base, index, config.seed, options.signal);
    for (const id of loaded.covered) decided.add(id);
    for (const id of loaded.named) named.add(id);
    for (const id of loaded.lookedFor ?? []) lookedFor.add(id);
    const outside = (photo: TrainingPhoto): boolean => seededRandom(config.seed, 4, ...new TextEncoder().encode(nameWithin(source, base, photo)))() < config.heldOut;
    heldOut.push(...loaded.photos.filter(outside));
    const inside = loaded.photos.filter((photo) => !outside(photo));
    for (let time = 0; time < (source.repeat ?? 1); time++) photos.push(...inside);
    if (source.proposals !== true) continue;
    for (const { name } of loaded.photos) silent.add(name);
    for (const id of loaded.named) namedWhereSilent.add(id);
  }
  for (const change of config.changes) photos = withLabelChanges(photos, await readLabelChanges(resolve(base, change)), index);
  denyKinds([...photos, ...heldOut], index);
  // Last, so that no change of labels brings them back; photos of the same labels may share their targets.
  for (const { targets } of [...photos, ...heldOut]) for (const id of leftOut) targets[id] = unknown;
  for (const id of leftOut) for (const each of [decided, named, namedWhereSilent, lookedFor]) each.delete(id);
  const { proposed, fill, cropProposer } = await proposalsFor({ config, model, photos: [...photos, ...heldOut].filter(({ name }) => silent.has(name)) }, { base, index, file, leftOut }, options);
  [photos, heldOut] = [photos.map(fill), heldOut.map(fill)];
  const score: Prepared["score"] = (weights, each, given) => scorePhotos(model, each, config.normalisation, weights, given);
  const shared = { config, model, index, photos, heldOut, score, head: null, proposed, cropProposer, decided: [...decided].sort((a, b) => a - b), named: [...named].sort((a, b) => a - b) };
  const classifierTags = { index, decided: shared.decided, named: silent.size > 0 ? namedWhereSilent : named, lookedFor: silent.size > 0 ? undecidedBy(photos.filter(({ name }) => !silent.has(name)), lookedFor) : lookedFor };
  if (config.classifier === null || config.weights !== null) {
    const fromTokens = config.phases.some((phase) => phase.from === "tokens");
    if (fromTokens && config.weights === null) throw new TrainError("bad-train-config", `${file}: a phase from tokens needs a classifier or weights to start from`);
    const classifier = config.classifier === null || !(hasSideNetwork(model.encoder) || model.classifier === true) ? null : await readClassifier(resolve(base, config.classifier));
    const read = async (path: string): Promise<TrainingState> => {
      const found = await startWeights(resolve(base, path), model, tags, config.seed);
      return hasSideNetwork(model.encoder) && !hasSideWeights(found) ? startSideNetwork(shared, found, classifier ?? noClassifier(file, path, "side network"), options) : found;
    };
    const given = config.weights === null ? initialWeights(model, config.seed) : await read(config.weights);
    const begun = config.blend === null ? given : blended(model, given, await read(config.blend.with), byBeginning(config.blend.shares, config.blend.share), config.blend.tags.map((name) => idOf(index, name, file, "blend")));
    const start = model.classifier === true && !hasClassifierRows(begun) ? await startClassifier(shared, begun, classifier ?? noClassifier(file, config.weights!, "classifier of its own"), classifierTags, options) : begun;
    const distils = config.weights !== null && config.phases.some((phase) => phase.losses.distillation > 0);
    const teacher = config.teacher === null ? start : await read(config.teacher);
    if (fromTokens) {
      const kept = await keptTokens(shared, start, options);
      return { ...shared, ...kept, features: distils ? (config.teacher === null ? projectAll(await pooledFeatures(kept.cache, kept.positions), start, model.textWidth) : await teacherEmbeddings(shared, teacher, options)) : null, start };
    }
    return { ...shared, cache: null, positions: new Int32Array(0), features: distils ? await teacherEmbeddings(shared, teacher, options) : null, start };
  }
  const classifier = await readClassifier(resolve(base, config.classifier));
  const encoderWeights = new Map([...classifier.encoder].map(([name, tensor]) => [`visual_encoder.${name}`, tensor]));
  const { cache, positions } = await keptTokens(shared, encoderWeights, options);
  const pooled = await pooledFeatures(cache, positions);
  const mean = meanOf(pooled);
  const begun = startFromClassifier(model, classifier, index, mean, (tag) => photos.flatMap((photo, i) => (photo.targets[tag] === 1 ? [pooled[i]!] : [])).slice(0, 300), config.seed);
  const start = model.classifier === true ? await startClassifier(shared, begun, classifier, classifierTags, options) : begun;
  const features = config.phases.some((phase) => phase.losses.distillation > 0) ? projectAll(pooled, start, model.textWidth) : null;
  return { ...shared, cache, positions, features, start };
}

/** The encoder's tokens of the training photos, and each photo's place among them. */
async function keptTokens(shared: KeptFrom, encoder: TrainingState, options: TrainOptions): Promise<{ cache: TokenCache; positions: Int32Array }> {
  const cache = await tokensOf(shared, encoder, options);
  const places = new Map(cache.names.map((name, i) => [name, i]));
  return { cache, positions: Int32Array.from(shared.photos, (photo) => places.get(photo.name)!) };
}

/** The weights of another run's state, or of a model folder; without a side network or a classifier where they have none. */
async function startWeights(path: string, model: RamConfig, tags: readonly Tag[], seed: number): Promise<TrainingState> {
  const info = await stat(path).catch(() => null);
  if (info?.isDirectory() !== true) return weightsOnly(await readSafetensors(path));
  const start = await readModelStart(path);
  const { classifier, ...rest } = hasSideNetwork(start.model.encoder) ? model : withoutSideNetwork(model);
  return startFromModel({ ...rest, ...(classifier === true && start.model.classifier === true && { classifier }) }, tags, start, seed);
}

function noClassifier(file: string, path: string, lacking: string): never {
  throw new TrainError("bad-train-config", `${file}: ${path} has no ${lacking}, and there is no classifier for it to begin with`);
}

/** Weights between two of the same network; of what has rows for tags those of `ids` alone, if there are any. Throws a TrainError (missing-weight) where the other lacks one. */
function blended(model: RamConfig, a: TrainingState, b: TrainingState, shareOf: (name: string) => number, ids: readonly number[]): TrainingState {
  const blocks = new Map<string, number>(tagTables(model));
  const chosen = new Set(ids);
  return new Map([...a].map(([name, tensor]) => {
    const [share, block] = [shareOf(name), blocks.get(name)];
    const [own, other] = [tensor.data as Float32Array, b.get(name)?.data as Float32Array | undefined];
    if (other === undefined) throw new TrainError("missing-weight", `the weights to blend with have no ${name}`);
    const mixed = (i: number): boolean => block === undefined || chosen.size === 0 || chosen.has(Math.floor(i / block));
    return [name, float32(tensor.shape, own.map((v, i) => (mixed(i) ? (1 - share) * v + share * other[i]! : v)))];
  }));
}

/** The teacher's global embedding of all training photos, [photos, W]. */
async function teacherEmbeddings(shared: KeptFrom, start: TrainingState, options: TrainOptions): Promise<Float32Array> {
  const { config, model, photos } = shared;
  const pooled = (image: Value, p: Params): Value => slice(projectTokens(encode(image, p, model), p, model), 1, 0, 1);
  await using cache = await keptOutputs(shared, { name: "embeddings", of: config.teacher ?? [config.weights, config.blend], shape: [1, model.textWidth], network: pooled, weights: start }, options);
  const places = new Map(cache.names.map((name, i) => [name, i]));
  const rows = new Float32Array(photos.length * model.textWidth);
  for (const [i, { name }] of photos.entries()) await cache.read(places.get(name)!, rows, i * model.textWidth);
  return rows;
}

/** The start's tokens of all training photos, from the run's cache or made now. */
function tokensOf(shared: KeptFrom, encoder: TrainingState, options: TrainOptions): Promise<TokenCache> {
  const { config, model } = shared;
  return keptOutputs(shared, { name: "tokens", of: [config.weights, config.blend], shape: [tokenCount(model.encoder), encoderWidth(model.encoder)], network: (image, p) => encode(image, p, model), weights: encoder }, options);
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
