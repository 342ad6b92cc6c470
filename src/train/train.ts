import { appendFile, mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { pixelTagIds } from "../data/pixel-tags.js";
import { referenceCrop } from "../image/crop.js";
import type { RamConfig } from "../model/config.js";
import { seededRandom } from "../tensor/random.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Tag } from "../vocab/tag.js";
import { defaultAdamW } from "./adamw.js";
import { openAugmentWorkers, type AugmentWorkers } from "./augment-workers.js";
import { batchesAhead, classTargets, cropInputs, drawTags, keptInputs, photoOrder, pixelInputs, type Batch, type BatchPlan } from "./batches.js";
import { heldOutMap } from "./held-out-map.js";
import type { TrainingPhoto } from "./photo-store.js";
import { prepare, type HeadRun, type Prepared } from "./prepare-run.js";
import { stampOf } from "./stamp.js";
import { learningRate } from "./schedules.js";
import { rateScaleOf, type TrainConfig, type TrainPhase } from "./train-config.js";
import { TrainError } from "./train-error.js";
import type { TrainOptions, TrainProgress } from "./train-options.js";
import { createTrainer, type TrainingState } from "./trainer.js";
import { loadState, saveState, type SavedState } from "./training-state.js";
import { createWeightAverage, weightsOnly } from "./weight-average.js";

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
  /** Those of them that labels name, and do not only imply. */
  readonly named: readonly number[];
  /** Tags that a classifier proposes, decided or not. */
  readonly proposed: readonly number[];
}

/**
 * Trains by the configuration file, phase after phase, saving to `options.out` as it goes. A run killed at any moment goes on
 * from its last state with `resume`, to the same losses. Throws a TrainError for a wrong configuration or state, a DataError
 * for unreadable sets, and the signal's reason when aborted (after saving).
 */
export async function train(file: string, options: TrainOptions): Promise<TrainResult> {
  await mkdir(options.out, { recursive: true });
  const prepared = await prepare(file, options);
  const { config, model, index, heldOut, decided, named, proposed } = prepared;
  try {
    const weights = await runPhases(prepared, options);
    return { model, tags: index.tags, weights, config, heldOut, decided, named, proposed };
  } finally {
    await prepared.cache?.[Symbol.asyncDispose]();
  }
}

/** Runs the phases of a prepared run, as `train` says; gives the weights. */
export async function runPhases(prepared: Prepared, options: TrainOptions): Promise<ReadonlyMap<string, Tensor>> {
  const { config, index } = prepared;
  await mkdir(options.out, { recursive: true });
  const stamp = stampOf([config, index.tags.map((tag) => tag.en)]);
  const stateFile = join(options.out, "state.safetensors");
  const bestFile = join(options.out, "best.safetensors");
  const saved = await loadState(stateFile, stamp);
  if (saved !== null && !options.resume) throw alreadyStarted(stateFile);
  let current: SavedState = saved ?? { phase: 0, step: 0, state: prepared.start };
  for (let number = current.phase; number < config.phases.length; number++) {
    const state = await runPhase(prepared, number, number === current.phase ? current : { phase: number, step: 0, state: weightsOnly(current.state) }, { save: (next) => saveState(stateFile, stamp, next), saveBest: (next) => saveState(bestFile, stamp, next), loadBest: () => loadState(bestFile, stamp).catch(() => null) }, options);
    current = { phase: number + 1, step: 0, state };
    await saveState(stateFile, stamp, { ...current, state: weightsOnly(state) });
  }
  return weightsOnly(current.state);
}

/** What is said of a run where another one was started. */
export const alreadyStarted = (file: string): TrainError => new TrainError("bad-training-state", `${file}: a run was started here; add --resume to go on, or choose another --out`);

/** The network as a phase trains it. */
function atSize(model: RamConfig, { imageSize }: TrainPhase): RamConfig {
  return imageSize === null ? model : { ...model, encoder: { ...model.encoder, imageSize } };
}

/** Where a phase keeps its states. */
interface StateFiles {
  readonly save: (state: SavedState) => Promise<void>;
  readonly saveBest: (state: SavedState) => Promise<void>;
  readonly loadBest: () => Promise<SavedState | null>;
}

async function runPhase(prepared: Prepared, number: number, from: SavedState, { save, saveBest, loadBest }: StateFiles, options: TrainOptions): Promise<TrainingState> {
  const { config, photos, heldOut, decided, proposed, features } = prepared;
  const phase = config.phases[number]!;
  const model = atSize(prepared.model, phase);
  const cropProposer = phase.proposals === "crops" ? prepared.cropProposer : null;
  const { signal, out } = options;
  await using trainer = await createTrainer(
    {
      model,
      batch: phase.batch,
      drawnTags: phase.drawnTags,
      from: phase.from,
      // Losses that are sums over photos become means, so that weights do not depend on the batch.
      losses: { tagging: phase.losses.tagging / phase.batch, retention: phase.losses.retention / phase.batch, tagAlignment: phase.losses.tagAlignment / phase.batch, distillation: phase.losses.distillation, classDistillation: phase.losses.classDistillation / phase.batch, textAlignment: 0 },
      proposerClasses: cropProposer?.classes ?? null,
      chosenRows: prepared.head !== null || phase.losses.retention > 0,
      rateScale: rateScaleOf(phase),
      stochasticDepth: phase.stochasticDepth,
      optimizer: { ...defaultAdamW, weightDecay: phase.weightDecay },
      clipNorm: phase.clipNorm,
    },
    from.state,
    options,
    cropProposer?.weights,
  );
  const augmentation = { size: model.encoder.imageSize, normalisation: config.normalisation, cropping: { ...referenceCrop, area: [phase.cropArea, 1] }, operations: phase.augment } as const;
  await using workers = phase.from !== "pixels" ? null : openAugmentWorkers(augmentation, Math.max(1, availableParallelism() >> 1));
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
  // Spread over all sources.
  const stride = Math.max(1, heldOut.length / 1500);
  const sample = Array.from({ length: Math.floor(heldOut.length / stride) }, (_, i) => heldOut[Math.floor(i * stride)]!);
  const validate = async (state: TrainingState): Promise<number> => heldOutMap(await prepared.score(state, sample, options), sample, decided);
  // One that is kept belongs to this phase, and lies before where the run goes on.
  const kept = phase.patience > 0 && from.step > 0 ? await loadBest() : null;
  let best = kept?.phase === number && kept.step <= from.step && kept.validation !== undefined ? kept : null;
  const average = phase.ema > 0 ? createWeightAverage(phase.ema, from.step > 0 ? from.state : new Map()) : null;
  const whole = (state: TrainingState): TrainingState => new Map([...state, ...(average?.saved() ?? [])]);
  let step = from.step;
  for await (const batch of batchesAhead(makeBatch, from.step, phase.steps)) {
    if (signal?.aborted) {
      await save({ phase: number, step, state: whole(await trainer.state()) });
      signal.throwIfAborted();
    }
    const losses = await trainer.step(batch, learningRate(step, schedule), step + 1);
    if (!Number.isFinite(losses["loss"])) throw new TrainError("diverged", `phase ${phase.name}, step ${step + 1}: the loss is ${losses["loss"]}; lower its rate`);
    for (const [name, value] of Object.entries(losses)) sums.set(name, (sums.get(name) ?? 0) + value);
    step++;
    since++;
    // Logged before it is saved: a kill in between repeats a line, and loses none.
    if (step >= phase.steps) continue;
    const averaged = average !== null && step % average.every === 0;
    const state = averaged || step % config.saveEvery === 0 ? await trainer.state() : null;
    if (averaged) average.add(state!);
    const saving = step % config.saveEvery === 0;
    const validation = saving && phase.patience > 0 ? await validate(state!) : undefined;
    if (step % config.logEvery === 0 || validation !== undefined) await report(step, validation);
    if (!saving) continue;
    if (validation !== undefined && (best === null || validation > best.validation!)) {
      best = { phase: number, step, state: weightsOnly(state!), validation };
      await saveBest(best);
    }
    await save({ phase: number, step, state: whole(state!) });
    if (best !== null && step - best.step >= phase.patience * config.saveEvery) break;
  }
  const last = await trainer.state();
  average?.add(last);
  let chosen = { state: last, validation: await validate(last) };
  const averaged = average?.weights() ?? null;
  if (averaged !== null) {
    const validation = await validate(averaged);
    if (validation > chosen.validation) chosen = { state: averaged, validation };
  }
  if (best !== null && best.validation! > chosen.validation) chosen = { state: best.state, validation: best.validation! };
  if (since > 0) await report(step, chosen.validation);
  return chosen.state;

  function batchMaker({ index, cache, positions, head }: Prepared, workers: AugmentWorkers | null, { from: begin, losses, batch, drawnTags, tags, stochasticDepth, silence: weight }: TrainPhase, phaseNumber: number, branches: number): (step: number) => Promise<Batch> {
    const seed = config.seed * 1000 + phaseNumber;
    const classes = new Set(proposed);
    const learning = tags.length === 0 ? index.tags.map((tag) => tag.id) : [...new Set(tags.map((name) => index.byName(name)!.id))];
    // Those of which something is said.
    const said = new Set([...decided, ...proposed]);
    const spoken = new Set(learning.filter((id) => said.has(id)));
    const undecided = learning.filter((id) => !said.has(id));
    // What pixels show by themselves is asked of some photos alone, and seen on most.
    const pixels = new Set(pixelTagIds(index));
    const labelled = new Set(decided);
    const silence = Float32Array.from(index.tags, ({ id }) => (labelled.has(id) && !pixels.has(id) ? weight : 0));
    // A softmax gives one thing less where it gives another more, so that a tag which labels decide elsewhere is hardly absent by it.
    const absence = silence.map((weight, id) => (labelled.has(id) ? weight : 1));
    const plan: BatchPlan = { photos, silence, absence, classes, batch, drawnTags, decided: [...spoken].sort((a, b) => a - b), undecided, retain: losses.retention > 0, asks: cropProposer !== null, seed };
    const indicesOf = photoOrder(plan);
    return async (at) => {
      const indices = indicesOf(at);
      const feature = features === null || losses.distillation === 0 ? {} : { feature: rowsOf(features, model.textWidth, indices) };
      const tagged = drawTags(plan, indices, at);
      const proposals = cropProposer !== null ? cropInputs(plan, indices, tagged["tag_ids"]!) : losses.classDistillation > 0 && classTargets(plan, indices, tagged["tag_ids"]!);
      const drawn: Batch = { ...tagged, ...proposals };
      // A photo that cannot be read carries no loss, and the run goes on.
      const forget = (row: number, message: string): void => {
        for (const name of ["known", "class_targets", "silent", "asked"]) {
          const values = drawn[name]?.data as Float32Array | undefined;
          values?.fill(0, (row * values.length) / batch, ((row + 1) * values.length) / batch);
        }
        options.onUnreadable?.(message);
      };
      const inputs = workers === null ? keptInputs(begin === "embeds" ? "image_embeds" : "tokens", cache!, positions) : pixelInputs(photos, model.encoder.imageSize, workers, seed, forget);
      return { ...(await inputs(indices, at)), ...drawn, ...(losses.retention > 0 || head !== null ? trainingRows(drawn["tag_ids"]!, head?.added ?? spoken) : {}), ...(head !== null && losses.retention > 0 && startLogitsOf(head, drawn["tag_ids"]!, indices, index.tags.length)), ...feature, ...branchScales(branches, batch, stochasticDepth, seededRandom(seed, 5, at)) };
    };
  }
}

/** Which drawn tags' rows of the label table train. */
function trainingRows(tagIds: Tensor, which: ReadonlySet<number>): Batch {
  return { tag_trains: { dtype: "uint8", shape: tagIds.shape, data: Uint8Array.from(tagIds.data as BigInt64Array, (id) => Number(which.has(Number(id)))) } };
}

/** The start's logits of the drawn tags. */
function startLogitsOf({ startLogits }: HeadRun, tagIds: Tensor, indices: Int32Array, tags: number): Batch {
  const ids = Array.from(tagIds.data as BigInt64Array, Number);
  const logits = Array.from(indices, (photo) => ids.map((id) => startLogits[photo * tags + id]!)).flat();
  return { start_logits: { dtype: "float32", shape: [indices.length, ids.length], data: Float32Array.from(logits) } };
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
