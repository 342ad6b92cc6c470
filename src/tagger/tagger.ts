import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { BundleError } from "../bundle/bundle-error.js";
import { choosePrecision, graphFiles, readModelFolder, type GraphFiles, type ModelFolder } from "../bundle/model-folder.js";
import type { Precision } from "../bundle/model-config.js";
import { verifyGraphs } from "../bundle/verify-graphs.js";
import { RamplusError } from "../error.js";
import { normalise } from "../image/normalise.js";
import { resizeBilinear } from "../image/resize.js";
import type { Device, SessionOptions } from "../runtime/device.js";
import { openSession, type RuntimeSession } from "../runtime/session.js";
import { formatShape, sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Tag } from "../vocab/tag.js";
import { atMost } from "./at-most.js";
import { findModel } from "./find-model.js";
import type { ImageInput, LoadOptions } from "./image-input.js";
import { checkSelectOptions, probability, selectTags, type SelectOptions, type TagScore } from "./select-tags.js";
import { TaggerError } from "./tagger-error.js";
import { untilAborted } from "./until-aborted.js";
import { workAhead, type Made } from "./work-ahead.js";

export interface TaggerOptions extends Pick<SessionOptions, "device" | "threads" | "onNotice"> {
  /** Precision of the graphs. @default the one that the model folder names */
  readonly dtype?: Precision;
  readonly signal?: AbortSignal;
}

export interface TagOptions extends SelectOptions, LoadOptions {
  /** Give the scores of all tags too, in id order. @default false */
  readonly scores?: boolean;
  /** Give the logits of all tags too, in id order: what the scores are made of. @default false */
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

/** A photo ready for the network, or the error that kept it from being so. */
type Prepared = { readonly values: Float32Array; readonly decode: number; readonly preprocess: number } | { readonly error: RamplusError };

const importDecoders = () => import("./image-input.js");

/** Bytes of weights from which on a model is taken to be large: its photos fill the processor one by one, and its intermediate results are large too. */
const largeModel = 128 * 1024 * 1024;

async function isLarge({ vision }: GraphFiles): Promise<boolean> {
  // A small model may have all its weights in the graph's own file.
  const weights = await stat(`${vision}.data`).catch(() => null);
  return weights !== null && weights.size > largeModel;
}

const isProcessor = (device: Device): boolean => device === "cpu" || device === "wasm";

/** Tags photos with a model. Holds memory and threads until disposed. */
export class Tagger implements AsyncDisposable {
  private disposed = false;
  /** Photos are large while they are decoded: not more of them at a time than decoders at work. */
  private readonly decoding = atMost(Math.min(4, availableParallelism()));

  private constructor(
    private readonly model: ModelFolder,
    /** Precision of the graphs that run. */
    readonly dtype: Precision,
    private readonly vision: RuntimeSession,
    private readonly tagging: RuntimeSession,
    private readonly defaultBatch: number,
  ) {}

  /**
   * Loads a model folder, or an embedded model by name (default: the package's own). Throws a BundleError for a folder that
   * cannot be used and a RuntimeError for a device that is not there.
   */
  static async load(model?: string | URL, options: TaggerOptions = {}): Promise<Tagger> {
    const { signal, dtype, ...sessionOptions } = options;
    signal?.throwIfAborted();
    const folder = await readModelFolder(findModel(model));
    const precision = choosePrecision(folder, dtype);
    const files = graphFiles(folder.folder, precision);
    const large = await isLarge(files);
    // Weights in 8 bits are read as fast where they lie; the parts of a large vocabulary share those of the head.
    // ONNX Runtime follows what a graph refers to: it opens what was checked.
    const session = { ...sessionOptions, keepMemory: !large, packWeights: !large || precision !== "q8", after: verifyGraphs(folder, precision) };
    const opening = [openSession({ file: files.vision }, session), openSession({ file: files.tagging }, { ...session, packWeights: !large })] as const;
    // The decoders are read while the sessions open.
    importDecoders().catch(() => undefined);
    try {
      const [vision, tagging] = await untilAborted(Promise.all(opening), signal);
      return new Tagger(folder, precision, vision, tagging, large && isProcessor(vision.device) ? 1 : 4);
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
    const prepare = (image: I): Promise<Prepared> => this.decoding(() => this.prepare(image, options));
    for await (const batch of workAhead(images, prepare, options.batch ?? this.defaultBatch, options.signal)) yield* await this.infer(batch, options);
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
      const { loadPixels } = await importDecoders();
      const began = performance.now();
      const pixels = await loadPixels(image, options);
      const decoded = performance.now();
      const values = normalise(resizeBilinear(pixels, size, size), { mean, std });
      return { values, decode: decoded - began, preprocess: performance.now() - decoded };
    } catch (error) {
      if (error instanceof RamplusError) return { error };
      throw error;
    }
  }

  private async infer<I extends ImageInput>(batch: readonly Made<I, Prepared>[], options: TagOptions): Promise<TagOutcome<I>[]> {
    const ready = batch.flatMap(({ output }) => ("error" in output ? [] : [output]));
    const began = performance.now();
    const logits = ready.length === 0 ? null : await this.runGraphs(this.joined(ready.map((item) => item.values)), options.signal);
    const inference = (performance.now() - began) / ready.length;
    let row = 0;
    return batch.map(({ item: image, output }): TagOutcome<I> => {
      if ("error" in output) return { image, error: output.error };
      const count = this.tags.length;
      const own = (logits!.data as Float32Array).slice(row * count, ++row * count);
      const scores = own.map(probability);
      const { decode, preprocess } = output;
      return { image, result: { tags: selectTags(this.tags, scores, options), ...(options.scores && { scores }), ...(options.logits && { logits: own }), ms: { decode, preprocess, inference } } };
    });
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
    return this.runGraphs(pixelValues, options.signal);
  }

  private joined(images: readonly Float32Array[]): Tensor<"float32"> {
    const { size } = this.model.preprocessor;
    const data = new Float32Array(images.length * 3 * size * size);
    images.forEach((values, i) => data.set(values, i * values.length));
    return { dtype: "float32", shape: [images.length, 3, size, size], data };
  }

  private async runGraphs(pixelValues: Tensor<"float32">, signal?: AbortSignal): Promise<Tensor<"float32">> {
    const runOptions = signal === undefined ? {} : { signal };
    const { image_embeds } = await this.vision.run({ pixel_values: pixelValues }, runOptions);
    const { logits } = await this.tagging.run({ image_embeds: image_embeds! }, runOptions);
    if (logits!.shape[1] !== this.tags.length) throw new BundleError("bad-graph", this.model.folder, `its graph gives ${logits!.shape[1]} tags, its tags.json names ${this.tags.length}: the files do not belong together`);
    // The graphs were checked on loading: they give float32.
    return logits as Tensor<"float32">;
  }

  /** Frees the model's memory and threads; may be called again. */
  async dispose(): Promise<void> {
    this.disposed = true;
    await Promise.all([this.vision.dispose(), this.tagging.dispose()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
