import { choosePrecision, graphFiles, readModelFolder, type ModelFolder } from "../bundle/model-folder.js";
import type { Precision } from "../bundle/model-config.js";
import { RamplusError } from "../error.js";
import { normalise } from "../image/normalise.js";
import { resizeBilinear } from "../image/resize.js";
import type { Device, SessionOptions } from "../runtime/device.js";
import { openSession, type RuntimeSession } from "../runtime/session.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Tag } from "../vocab/tag.js";
import { findModel } from "./find-model.js";
import { loadPixels, type ImageInput, type LoadOptions } from "./image-input.js";
import { checkSelectOptions, probability, selectTags, type SelectOptions, type TagScore } from "./select-tags.js";
import { TaggerError } from "./tagger-error.js";

export interface TaggerOptions extends Pick<SessionOptions, "device" | "threads" | "onNotice"> {
  /** Precision of the graphs. @default the one that the model folder names */
  readonly dtype?: Precision;
  readonly signal?: AbortSignal;
}

export interface TagOptions extends SelectOptions, LoadOptions {
  /** Give the scores of all tags too, in id order. @default false */
  readonly scores?: boolean;
}

export interface TagStreamOptions extends TagOptions {
  /** Photos that go through the network together. @default 4 */
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
  readonly ms: TagTimes;
}

/** A photo of a batch or stream: its result, or why there is none. */
export type TagOutcome<I extends ImageInput = ImageInput> = { readonly image: I; readonly result: TagResult } | { readonly image: I; readonly error: RamplusError };

/** A photo ready for the network, or the error that kept it from being so. */
type Prepared = { readonly values: Float32Array; readonly decode: number; readonly preprocess: number } | { readonly error: RamplusError };

/** Tags photos with a model. Holds memory and threads until disposed. */
export class Tagger implements AsyncDisposable {
  private disposed = false;

  private constructor(
    private readonly model: ModelFolder,
    /** Precision of the graphs that run. */
    readonly dtype: Precision,
    private readonly vision: RuntimeSession,
    private readonly tagging: RuntimeSession,
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
    const opened = await Promise.allSettled([openSession({ file: files.vision }, sessionOptions), openSession({ file: files.tagging }, sessionOptions)]);
    const [vision, tagging] = opened;
    if (vision.status === "fulfilled" && tagging.status === "fulfilled" && !signal?.aborted) return new Tagger(folder, precision, vision.value, tagging.value);
    for (const session of opened) if (session.status === "fulfilled") await session.value.dispose();
    signal?.throwIfAborted();
    throw vision.status === "rejected" ? vision.reason : (tagging as PromiseRejectedResult).reason;
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

  /** Tags photos together; each gets its result or its error, in order. Throws a RuntimeError when ONNX Runtime fails, the signal's reason when aborted. */
  async tagBatch<I extends ImageInput>(images: readonly I[], options: TagOptions = {}): Promise<TagOutcome<I>[]> {
    this.check(options);
    const prepared = await Promise.all(images.map((image) => this.prepare(image, options)));
    return this.infer(images, prepared, options);
  }

  /**
   * Tags a stream of photos, in order, with bounded memory: while one batch goes through the network the next is decoded.
   * Throws as `tagBatch` does.
   */
  async *tagStream<I extends ImageInput>(images: AsyncIterable<I> | Iterable<I>, options: TagStreamOptions = {}): AsyncGenerator<TagOutcome<I>> {
    this.check(options);
    const size = options.batch ?? 4;
    let running: Promise<TagOutcome<I>[]> | null = null;
    const start = async (batch: readonly I[]): Promise<TagOutcome<I>[]> => this.infer(batch, await Promise.all(batch.map((image) => this.prepare(image, options))), options);
    for await (const batch of inBatches(images, size)) {
      const next = start(batch);
      // A failure is thrown when the batch's turn comes.
      next.catch(() => undefined);
      if (running !== null) yield* await running;
      running = next;
    }
    if (running !== null) yield* await running;
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

  private async infer<I extends ImageInput>(images: readonly I[], prepared: readonly Prepared[], options: TagOptions): Promise<TagOutcome<I>[]> {
    const ready = prepared.flatMap((item) => ("error" in item ? [] : [item]));
    const began = performance.now();
    const logits = ready.length === 0 ? null : await this.run(ready.map((item) => item.values), options.signal);
    const inference = (performance.now() - began) / ready.length;
    let row = 0;
    return prepared.map((item, i): TagOutcome<I> => {
      const image = images[i]!;
      if ("error" in item) return { image, error: item.error };
      const count = this.tags.length;
      const scores = (logits!.data as Float32Array).slice(row * count, ++row * count).map(probability);
      const { decode, preprocess } = item;
      return { image, result: { tags: selectTags(this.tags, scores, options), ...(options.scores && { scores }), ms: { decode, preprocess, inference } } };
    });
  }

  private async run(images: readonly Float32Array[], signal?: AbortSignal): Promise<Tensor> {
    const { size } = this.model.preprocessor;
    const data = new Float32Array(images.length * 3 * size * size);
    images.forEach((values, i) => data.set(values, i * values.length));
    const runOptions = signal === undefined ? {} : { signal };
    const { image_embeds } = await this.vision.run({ pixel_values: { dtype: "float32", shape: [images.length, 3, size, size], data } }, runOptions);
    const { logits } = await this.tagging.run({ image_embeds: image_embeds! }, runOptions);
    if (logits!.shape[1] !== this.tags.length) throw new TaggerError("bad-option", `${this.model.folder}: the graph gives ${logits!.shape[1]} tags, tags.json names ${this.tags.length}: the folder's files do not belong together`);
    return logits!;
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

async function* inBatches<T>(items: AsyncIterable<T> | Iterable<T>, size: number): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length === size) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}
