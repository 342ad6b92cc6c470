import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { BundleError } from "../bundle/bundle-error.js";
import { choosePrecision, graphFiles, readModelFolder, type GraphFiles, type ModelFolder } from "../bundle/model-folder.js";
import type { Precision } from "../bundle/model-config.js";
import { calibrationIndex, probabilityOfScore, type Calibration } from "../bundle/calibration.js";
import { visionId } from "../bundle/model-id.js";
import { verifyGraphs, type GraphReport } from "../bundle/verify-graphs.js";
import { RamplusError } from "../error.js";
import { normalise } from "../image/normalise.js";
import { resizeBilinear } from "../image/resize.js";
import type { Device, SessionOptions } from "../runtime/device.js";
import { openSession, type RuntimeSession } from "../runtime/session.js";
import { formatShape, sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { impliedLift, type LiftImplied } from "../vocab/lift-implied.js";
import { classTexts } from "../vocab/prompt-templates.js";
import type { Tag } from "../vocab/tag.js";
import { openSetThreshold, type BankTag, type TagBank, type WordEncoder } from "../vocab/tag-bank.js";
import { atMost } from "./at-most.js";
import { BankRunner } from "./bank-runner.js";
import { findModel } from "./find-model.js";
import type { ImageInput, LoadOptions } from "./image-input.js";
import { impliedPruner, type Prune } from "./prune-implied.js";
import { KeptFeatures } from "./kept-features.js";
import { checkSelectOptions, probability, selectTags, type SelectOptions, type TagScore } from "./select-tags.js";
import { calibratedChoice, choiceForPrecision, loadCalibration, withCalibration } from "./tag-calibration.js";
import { chosenScores, chooseTags, ownTags, type ChosenTag, type TagChoice, type TagChoiceOptions, type TagSource } from "./tag-choice.js";
import { TaggerError } from "./tagger-error.js";
import { untilAborted } from "./until-aborted.js";
import { workAhead, type Made } from "./work-ahead.js";

export interface TaggerOptions extends Pick<SessionOptions, "device" | "threads" | "onNotice"> {
  /** Precision of the graphs. @default the one that the model folder names */
  readonly dtype?: Precision;
  /**
   * Folder that keeps photos' features, by their content, the model's vision graph and precision: a photo that was tagged once is
   * held against other tags without decoding it and without the vision graph. @default none
   */
  readonly cache?: string;
  /**
   * For words that are no tags (`TagChoiceOptions.tags`), with a model whose descriptions such an encoder made; a function is
   * called when the first such word comes. The caller disposes it. @default none
   */
  readonly textEncoder?: WordEncoder | (() => Promise<WordEncoder>);
  /** File of a calibration (`ramplus calibrate`); null: none. @default calibration.json in the model folder, where there is one */
  readonly calibration?: string | null;
  readonly signal?: AbortSignal;
}

export interface TagOptions extends SelectOptions, TagChoiceOptions, LoadOptions {
  /** Give the scores of all tags looked for too, in id order (`Tagger.chosenTags`). @default false */
  readonly scores?: boolean;
  /** Give the network's logits of all tags looked for too, in id order: what the scores are made of, before implied tags are lifted. @default false */
  readonly logits?: boolean;
}

export interface TagStreamOptions extends TagOptions {
  /** Photos that go through the network together, where there are so many. @default 4; 1 with a large model on a CPU, which gains nothing from more */
  readonly batch?: number;
}

/** What a photo took, in milliseconds. `inference` is the photo's share of its batch. */
export interface TagTimes {
  readonly decode: number;
  readonly preprocess: number;
  readonly inference: number;
}

export interface TagResult {
  /** Tags by falling score. */
  readonly tags: readonly TagScore[];
  /** Scores of all tags by id, where asked for. */
  readonly scores?: Float32Array;
  /** Logits of all tags by id, where asked for. */
  readonly logits?: Float32Array;
  readonly ms: TagTimes;
}

/** A photo of a batch or stream: its result, or why there is none. */
export type TagOutcome<I extends ImageInput = ImageInput> = { readonly image: I; readonly result: TagResult } | { readonly image: I; readonly error: RamplusError };

/** A photo's features, [rows, W], or why there are none. */
export type FeatureOutcome<I extends ImageInput = ImageInput> = { readonly image: I; readonly features: Tensor<"float32"> } | { readonly image: I; readonly error: RamplusError };

/** A photo ready for the vision graph, one whose features are at hand, or the error that kept it from being so. */
type Prepared = ({ readonly values: Float32Array; readonly key: string | null } | { readonly features: Float32Array }) & { readonly decode: number; readonly preprocess: number } | { readonly error: RamplusError };

type Ready = Exclude<Prepared, { readonly error: RamplusError }>;

const importDecoders = () => import("./image-input.js");

/** Bytes of weights from which on a model is taken to be large: its photos fill the processor one by one, and its intermediate results are large too. */
const largeModel = 128 * 1024 * 1024;

async function isLarge({ vision }: GraphFiles): Promise<boolean> {
  // A small model may have all its weights in the graph's own file.
  const weights = await stat(`${vision}.data`).catch(() => null);
  return weights !== null && weights.size > largeModel;
}

/** [rows, W] of what the vision graph gives for a photo. */
function featureShapeOf({ output, file }: GraphReport): readonly [number, number] {
  const [, tokens, width] = output.shape;
  if (typeof tokens !== "number" || typeof width !== "number" || output.shape.length !== 3) throw new BundleError("bad-graph", file, `gives image_embeds ${formatShape(output.shape)}: expected ["batch", tokens, width]`);
  return [tokens, width];
}

const isProcessor = (device: Device): boolean => device === "cpu" || device === "wasm";

/** Tags photos with a model. Holds memory and threads until disposed. */
export class Tagger implements AsyncDisposable {
  private disposed = false;
  /** Photos are large while they are decoded: not more of them at a time than decoders at work. */
  private readonly decoding = atMost(Math.min(4, availableParallelism()));
  private banks: Promise<BankRunner> | null = null;
  private readonly words = new Map<string, BankTag>();
  private readonly lifts = new WeakMap<readonly (Tag | BankTag)[], LiftImplied>();
  private openedEncoder: Promise<WordEncoder> | null = null;
  private readonly calibrated: ReturnType<typeof calibrationIndex> | null;

  private constructor(
    /** With the thresholds of the calibration. */
    private readonly model: ModelFolder,
    private readonly calibration: Calibration | null,
    /** Precision of the graphs that run. */
    readonly dtype: Precision,
    private readonly vision: RuntimeSession,
    private readonly tagging: RuntimeSession,
    /** [rows, W] of a photo's features. */
    private readonly featureShape: readonly [number, number],
    private readonly defaultBatch: number,
    private readonly openBanks: () => Promise<BankRunner>,
    private readonly kept: KeptFeatures | null,
    private readonly textEncoder: TaggerOptions["textEncoder"] | null,
  ) {
    this.calibrated = calibration && calibrationIndex(calibration);
  }

  /**
   * Loads a model folder, or an embedded model by name (default: the package's own). Throws a BundleError for a folder that
   * cannot be used and a RuntimeError for a device that is not there.
   */
  static async load(model?: string | URL, options: TaggerOptions = {}): Promise<Tagger> {
    const { signal, dtype, cache, textEncoder, calibration, ...sessionOptions } = options;
    signal?.throwIfAborted();
    const folder = await readModelFolder(findModel(model));
    const precision = choosePrecision(folder, dtype);
    const files = graphFiles(folder.folder, precision);
    const large = await isLarge(files);
    // Weights in 8 bits are read as fast where they lie; the parts of a large vocabulary share those of the head.
    // ONNX Runtime follows what a graph refers to: it opens what was checked.
    const verified = verifyGraphs(folder, precision);
    const session = { ...sessionOptions, keepMemory: !large, packWeights: !large || precision !== "q8", after: verified };
    const opening = [openSession({ file: files.vision }, session), openSession({ file: files.tagging }, { ...session, packWeights: !large })] as const;
    const calibrating = loadCalibration(folder, calibration, signal);
    calibrating.catch(() => undefined);
    const keeping = cache === undefined ? null : visionId(folder, precision, signal);
    keeping?.catch(() => undefined);
    // The decoders are read while the sessions open.
    importDecoders().catch(() => undefined);
    try {
      const [vision, tagging] = await untilAborted(Promise.all(opening), signal);
      const openBanks = (): Promise<BankRunner> => BankRunner.open(folder, precision, { ...sessionOptions, device: vision.device, keepMemory: !large, packWeights: !large });
      const kept = keeping === null ? null : new KeptFeatures(cache!, await keeping, sessionOptions.onNotice);
      return new Tagger(withCalibration(folder, await calibrating), await calibrating, precision, vision, tagging, featureShapeOf((await verified).vision), large && isProcessor(vision.device) ? 1 : 4, openBanks, kept, textEncoder ?? null);
    } catch (error) {
      // A session that is still being opened is closed once it is; the caller need not wait for that.
      for (const session of opening) void session.then((opened) => opened.dispose()).catch(() => undefined);
      throw error;
    }
  }

  /** The model's tags, by id. */
  get tags(): readonly Tag[] {
    return this.model.tags;
  }

  /**
   * The tags that `tag` looks for with such options, `id` being a tag's place among a result's `scores`. Throws a TaggerError:
   * unknown-tag for words that nothing can place, bad-option for an empty choice.
   */
  async chosenTags(options: TagChoiceOptions & Pick<SelectOptions, "threshold"> & { readonly signal?: AbortSignal }): Promise<readonly ChosenTag[]> {
    checkSelectOptions(options);
    return (await this.choose(options)).tags;
  }

  private async choose(options: TagChoiceOptions & Pick<SelectOptions, "threshold"> & { readonly signal?: AbortSignal }): Promise<TagChoice> {
    const choice = calibratedChoice(await this.chosen(options), this.calibration);
    if (typeof options.threshold !== "object") return choice;
    return choiceForPrecision(choice, this.calibration, options.threshold.precision, this.model.folder);
  }

  private async chosen(options: TagChoiceOptions & { readonly signal?: AbortSignal }): Promise<TagChoice> {
    const { banks, builtIn, tags, only, exclude, signal } = options;
    if (banks === undefined && builtIn === undefined && tags === undefined && only === undefined && exclude === undefined) return ownTags(this.tags);
    const takesTexts = tags !== undefined && this.textEncoder !== null && !(await this.bankRunner()).biased;
    return chooseTags(this.tags, options, takesTexts ? (words) => this.encodeWords(words, signal) : null);
  }

  /** A bank of words, whose rows are kept for the next time. */
  private async encodeWords(words: readonly string[], signal?: AbortSignal): Promise<TagBank> {
    if (typeof this.textEncoder === "function") this.openedEncoder ??= this.textEncoder();
    const encoder = await (this.openedEncoder ?? (this.textEncoder as WordEncoder));
    for (const word of words) {
      if (this.words.has(word)) continue;
      // As the reference does with the texts of templates, of which none is cut.
      const rows = await encoder.encode(classTexts(word), { truncate: false, ...(signal && { signal }) });
      this.words.set(word, { en: word, zh: word, threshold: openSetThreshold, rows });
    }
    return { name: "words", width: encoder.width, origin: { kind: "text-encoder", id: encoder.id }, tags: words.map((word) => this.words.get(word)!) };
  }

  /** Where the model runs. */
  get device(): Exclude<Device, "auto"> {
    return this.vision.device;
  }

  /** The model folder. */
  get folder(): string {
    return this.model.folder;
  }

  /** Tags one photo. Throws an ImageError or TaggerError naming it, a RuntimeError when ONNX Runtime fails, the signal's reason when aborted. */
  async tag(image: ImageInput, options: TagOptions = {}): Promise<TagResult> {
    const [outcome] = await this.tagBatch([image], options);
    if ("error" in outcome!) throw outcome.error;
    return outcome!.result;
  }

  /** Tags photos; each gets its result or its error, in order. Throws a RuntimeError when ONNX Runtime fails, the signal's reason when aborted. */
  async tagBatch<I extends ImageInput>(images: readonly I[], options: TagStreamOptions = {}): Promise<TagOutcome<I>[]> {
    const outcomes: TagOutcome<I>[] = [];
    for await (const outcome of this.tagStream(images, options)) outcomes.push(outcome);
    return outcomes;
  }

  /**
   * Tags a stream of photos, in order, with bounded memory: while one batch goes through the network the next is decoded.
   * A batch is not kept waiting for photos that the stream does not have yet. Throws as `tagBatch` does, and what the stream throws.
   */
  async *tagStream<I extends ImageInput>(images: AsyncIterable<I> | Iterable<I>, options: TagStreamOptions = {}): AsyncGenerator<TagOutcome<I>> {
    this.check(options);
    // Both can be iterated over, and neither is what was meant.
    if (typeof images === "string" || images instanceof Uint8Array) throw new TaggerError("bad-option", "images: expected a list or stream of images, received one image");
    const choice = await this.choose(options);
    const prune = options.pruneImplied === true ? impliedPruner(choice) : undefined;
    const prepare = (image: I): Promise<Prepared> => this.decoding(() => this.prepare(image, options));
    for await (const batch of workAhead(images, prepare, options.batch ?? this.defaultBatch, options.signal)) yield* await this.infer(batch, choice, options, prune);
  }

  /**
   * Features of a stream of photos, in order: what the head looks at, `image_embeds` [rows, W], the pooled token first, then those of
   * places; of a network with a classifier (`RamConfig.classifier`) also what that looks at, in the last rows. Kept
   * where the tagger keeps features. Throws as `tagStream` does.
   */
  async *features<I extends ImageInput>(images: AsyncIterable<I> | Iterable<I>, options: LoadOptions & Pick<TagStreamOptions, "batch"> = {}): AsyncGenerator<FeatureOutcome<I>> {
    this.check(options);
    const prepare = (image: I): Promise<Prepared> => this.decoding(() => this.prepare(image, options));
    for await (const batch of workAhead(images, prepare, options.batch ?? this.defaultBatch, options.signal)) {
      const ready = batch.flatMap(({ output }) => ("error" in output ? [] : [output]));
      const { data } = ready.length === 0 ? { data: new Float32Array() } : await this.featuresOf(ready, options.signal);
      const length = this.featureShape[0] * this.featureShape[1];
      let row = 0;
      for (const { item: image, output } of batch) {
        yield "error" in output ? { image, error: output.error } : { image, features: { dtype: "float32", shape: this.featureShape, data: data.slice(row * length, ++row * length) } };
      }
    }
  }

  private check(options: TagStreamOptions): void {
    if (this.disposed) throw new TaggerError("disposed", "the tagger is disposed; load another");
    checkSelectOptions(options);
    if (options.batch !== undefined && !(Number.isInteger(options.batch) && options.batch > 0)) throw new TaggerError("bad-option", `batch ${options.batch}: expected a whole number above 0`);
    options.signal?.throwIfAborted();
  }

  private async prepare(image: ImageInput, options: LoadOptions): Promise<Prepared> {
    const { size, mean, std } = this.model.preprocessor;
    try {
      const { decodePhoto, photoBytes } = await importDecoders();
      const began = performance.now();
      const bytes = await photoBytes(image, options.signal);
      const key = bytes === null || this.kept === null ? null : this.kept.key(bytes, options.orient ?? true);
      const features = key === null ? null : await this.kept!.get(key, this.featureShape[0] * this.featureShape[1]);
      if (features !== null) return { features, decode: performance.now() - began, preprocess: 0 };
      const pixels = await decodePhoto(image, bytes, options);
      const decoded = performance.now();
      const values = normalise(resizeBilinear(pixels, size, size), { mean, std });
      return { values, key, decode: decoded - began, preprocess: performance.now() - decoded };
    } catch (error) {
      if (error instanceof RamplusError) return { error };
      throw error;
    }
  }

  private async infer<I extends ImageInput>(batch: readonly Made<I, Prepared>[], choice: TagChoice, options: TagOptions, prune?: Prune): Promise<TagOutcome<I>[]> {
    const ready = batch.flatMap(({ output }) => ("error" in output ? [] : [output]));
    const began = performance.now();
    const logits = ready.length === 0 ? [] : await this.columns(await this.featuresOf(ready, options.signal), choice, options.signal);
    const inference = (performance.now() - began) / ready.length;
    let row = 0;
    return batch.map(({ item: image, output }): TagOutcome<I> => {
      if ("error" in output) return { image, error: output.error };
      const own = logits[row++]!;
      const { tags, scores, best } = chosenScores(choice, this.scoresOf(own, choice));
      const { decode, preprocess } = output;
      return {
        image,
        result: {
          tags: selectTags(tags, scores, options, prune).map((tag) => this.withSource(tag, tags[tag.id]!, choice, best)),
          ...(options.scores && { scores }),
          ...(options.logits && { logits: Float32Array.from(scores, (_, id) => own[best(id)]!) }),
          ms: { decode, preprocess, inference },
        },
      };
    });
  }

  /** The score with the bank that the tag comes from, and the tag that stands for a word. */
  private withSource(score: TagScore, { en, bank, placed }: ChosenTag, { columnTags }: TagChoice, best: (id: number) => number): TagScore {
    const known = placed === undefined ? this.calibrated?.({ en, ...(bank !== undefined && { bank }) }) : undefined;
    const likely = known === undefined ? null : probabilityOfScore(known, score.score);
    return { ...score, ...(likely !== null && { probability: likely }), ...(bank !== undefined && { bank }), ...(placed !== undefined && { placed: { relation: placed, by: columnTags[best(score.id)]!.en } }) };
  }

  /** `image_embeds` of photos: those kept, and those computed, which are kept from now on. */
  private async featuresOf(photos: readonly Ready[], signal?: AbortSignal): Promise<Tensor<"float32">> {
    const length = this.featureShape[0] * this.featureShape[1];
    const data = new Float32Array(photos.length * length);
    const computed = photos.flatMap((photo, i) => ("values" in photo ? [{ ...photo, i }] : []));
    photos.forEach((photo, i) => "features" in photo && data.set(photo.features, i * length));
    if (computed.length > 0) {
      const { image_embeds } = await this.vision.run({ pixel_values: this.joined(computed.map(({ values }) => values)) }, signal === undefined ? {} : { signal });
      const own = (row: number): Float32Array => (image_embeds!.data as Float32Array).subarray(row * length, (row + 1) * length);
      computed.forEach(({ i }, row) => data.set(own(row), i * length));
      if (this.kept !== null) await Promise.all(computed.map(({ key }, row) => key !== null && this.kept!.put(key, own(row))));
    }
    return { dtype: "float32", shape: [photos.length, ...this.featureShape], data };
  }

  /** Logits of a choice's columns, for each photo. */
  private async columns(imageEmbeds: Tensor<"float32">, { sources }: TagChoice, signal?: AbortSignal): Promise<Float32Array[]> {
    const parts: { count: number; logits: Float32Array }[] = [];
    for (const source of sources) {
      const logits = source.kind === "built-in" ? ((await this.ownLogits(imageEmbeds, signal)).data as Float32Array) : await (await this.bankRunner()).logits(imageEmbeds, source.bank, signal === undefined ? {} : { signal });
      parts.push({ count: source.count, logits });
    }
    const total = parts.reduce((sum, { count }) => sum + count, 0);
    return Array.from({ length: imageEmbeds.shape[0]! }, (_, photo) => {
      const row = new Float32Array(total);
      let start = 0;
      for (const { count, logits } of parts) {
        row.set(logits.subarray(photo * count, (photo + 1) * count), start);
        start += count;
      }
      return row;
    });
  }

  /** Scores of a choice's columns from a photo's logits; tags that others of the same source imply are lifted. */
  private scoresOf(logits: Float32Array, { sources }: TagChoice): Float32Array {
    const lifted = logits.slice();
    let start = 0;
    for (const source of sources) {
      this.liftOf(source)?.(lifted, start);
      start += source.count;
    }
    return lifted.map(probability);
  }

  /** Banks of a text encoder keep the scores that the reference gives. */
  private liftOf(source: TagSource): LiftImplied | null {
    if (source.kind === "bank" && source.bank.origin.kind !== "model") return null;
    const tags = source.kind === "bank" ? source.bank.tags : this.tags;
    const made = this.lifts.get(tags) ?? impliedLift(tags);
    this.lifts.set(tags, made);
    return made;
  }

  private async bankRunner(): Promise<BankRunner> {
    this.banks ??= this.openBanks();
    try {
      return await this.banks;
    } catch (error) {
      this.banks = null;
      throw error;
    }
  }

  /**
   * Logits [N, tags] of photos that were preprocessed elsewhere: float32 [N, 3, S, S], resized, scaled and normalised. Throws a
   * TaggerError for another shape, a RuntimeError when ONNX Runtime fails, the signal's reason when aborted.
   */
  async logits(pixelValues: Tensor<"float32">, options: { readonly signal?: AbortSignal } = {}): Promise<Tensor<"float32">> {
    this.check(options);
    const { size } = this.model.preprocessor;
    const expected = [pixelValues.shape[0] ?? 0, 3, size, size];
    if (!sameShape(pixelValues.shape, expected) || expected[0] === 0) throw new TaggerError("bad-option", `pixel values ${formatShape(pixelValues.shape)}: expected ${formatShape(["N", 3, size, size])}`);
    const runOptions = options.signal === undefined ? {} : { signal: options.signal };
    const { image_embeds } = await this.vision.run({ pixel_values: pixelValues }, runOptions);
    return this.ownLogits(image_embeds as Tensor<"float32">, options.signal);
  }

  private joined(images: readonly Float32Array[]): Tensor<"float32"> {
    const { size } = this.model.preprocessor;
    const data = new Float32Array(images.length * 3 * size * size);
    images.forEach((values, i) => data.set(values, i * values.length));
    return { dtype: "float32", shape: [images.length, 3, size, size], data };
  }

  private async ownLogits(imageEmbeds: Tensor<"float32">, signal?: AbortSignal): Promise<Tensor<"float32">> {
    const { logits } = await this.tagging.run({ image_embeds: imageEmbeds }, signal === undefined ? {} : { signal });
    if (logits!.shape[1] !== this.tags.length) throw new BundleError("bad-graph", this.model.folder, `its graph gives ${logits!.shape[1]} tags, its tags.json names ${this.tags.length}: the files do not belong together`);
    // The graphs were checked on loading: they give float32.
    return logits as Tensor<"float32">;
  }

  /** Frees the model's memory and threads; may be called again. */
  async dispose(): Promise<void> {
    this.disposed = true;
    const banks = await this.banks?.catch(() => null);
    await Promise.all([this.vision.dispose(), this.tagging.dispose(), banks?.dispose()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
