import type { Precision } from "../bundle/model-config.js";
import { RamplusError } from "../error.js";
import type { Device, SessionOptions } from "../runtime/device.js";
import { Tagger } from "../tagger/tagger.js";
import type { Tensor } from "../tensor/tensor.js";
import { compareLogits, type LogitComparison } from "./compare-logits.js";
import { ConvertError } from "./convert-error.js";
import { readArray } from "./read-array.js";
import type { ReferenceKind } from "./reference-kind.js";

export interface VerifyOptions extends Pick<SessionOptions, "threads" | "onNotice"> {
  /** File of the reference's scores, .npy or .safetensors: [photos, tags], photos in the same order. */
  readonly against: string;
  /** Name of the tensor in a .safetensors file. @default "logits", else "sigmoid", else the only one */
  readonly tensor?: string;
  /** What the scores are. @default told by the tensor's name, else by whether all lie between 0 and 1 */
  readonly kind?: ReferenceKind;
  /** How far a photo may be off, in the measure of the precision. @default that of the precision, see `tolerances` */
  readonly tolerance?: number;
  /** File of preprocessed photos, .npy or .safetensors ("images" or "pixel_values"): [photos, 3, S, S], in place of photos. */
  readonly pixels?: string;
  /** @default "auto" */
  readonly device?: Device;
  /** @default the model's own */
  readonly dtype?: Precision;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What is held against the tolerance, for each photo. */
export type VerifyMeasure = "largest logit difference" | "largest probability difference" | "mean probability difference";

export interface VerifyPhoto extends LogitComparison {
  readonly photo: string;
  readonly within: boolean;
}

/** A photo that could not be read. */
export interface FailedPhoto {
  readonly photo: string;
  readonly error: { readonly code: string; readonly message: string };
}

export interface VerifyReport {
  readonly model: string;
  readonly dtype: Precision;
  readonly device: Exclude<Device, "auto">;
  readonly against: string;
  readonly kind: ReferenceKind;
  /** The kind was told by the values or the tensor's name, not given. */
  readonly kindDetected: boolean;
  readonly measure: VerifyMeasure;
  readonly tolerance: number;
  readonly photos: readonly (VerifyPhoto | FailedPhoto)[];
  /** All photos are within the tolerance. */
  readonly within: boolean;
}

/**
 * What is expected of each precision at full size. In fp32 every logit is compared: two right implementations differ by the order of their
 * sums, up to 3e-4. Lower precisions change every score a little, so that the mean counts.
 */
const tolerances: Readonly<Record<Precision, Readonly<Record<ReferenceKind, readonly [VerifyMeasure, number]>>>> = {
  fp32: { logits: ["largest logit difference", 3e-4], sigmoid: ["largest probability difference", 1e-4] },
  fp16: { logits: ["mean probability difference", 5e-4], sigmoid: ["mean probability difference", 5e-4] },
  q8: { logits: ["mean probability difference", 1.3e-2], sigmoid: ["mean probability difference", 1.3e-2] },
};

function measured(comparison: LogitComparison, measure: VerifyMeasure): number {
  switch (measure) {
    case "largest logit difference":
      return comparison.maxLogit!;
    case "largest probability difference":
      return comparison.maxProbability;
    case "mean probability difference":
      return comparison.meanProbability;
  }
}

function kindOf(name: string, values: Float32Array): ReferenceKind {
  if (name === "logits" || name === "sigmoid") return name;
  return values.every((value) => value >= 0 && value <= 1) ? "sigmoid" : "logits";
}

/**
 * Compares a model folder with scores that another implementation, such as the original, computed of the same photos. Photos are
 * decoded as the reference does: the EXIF orientation is ignored. Throws a BundleError or RuntimeError for the model, a CheckpointError or
 * ConvertError for the files, the signal's reason when aborted; a photo that cannot be read is in the report.
 */
export async function verifyModel(model: string, photos: readonly string[], options: VerifyOptions): Promise<VerifyReport> {
  const { against, tensor, pixels, signal, onProgress } = options;
  if ((photos.length > 0) === (pixels !== undefined)) throw new ConvertError("bad-option", "give either photos or a file of preprocessed ones (--pixels)");
  if (options.tolerance !== undefined && !(options.tolerance >= 0)) throw new ConvertError("bad-option", `tolerance ${options.tolerance}: expected a number of 0 or more`);
  const { device, dtype, threads, onNotice } = options;
  await using tagger = await Tagger.load(model, { ...(device && { device }), ...(dtype && { dtype }), ...(threads && { threads }), ...(onNotice && { onNotice }), ...(signal && { signal }) });
  const count = tagger.tags.length;
  const given = pixels === undefined ? null : await readPixels(pixels);
  const total = given?.shape[0] ?? photos.length;
  const one = total === 1 ? ` or [${count}]` : "";
  const fits = (shape: readonly number[]): boolean => (shape.length === 2 && shape[0] === total && shape[1] === count) || (total === 1 && shape.length === 1 && shape[0] === count);
  const reference = await readArray(against, { tensor, usual: ["logits", "sigmoid"], fits, expected: `[${total}, ${count}]${one}: a row for each photo, in their order, with a score for each tag` });
  const kind = options.kind ?? kindOf(reference.name, reference.data);
  const outside = kind === "sigmoid" ? reference.data.find((value) => !(value >= 0 && value <= 1)) : undefined;
  if (outside !== undefined) throw new ConvertError("bad-reference", `${against}: holds ${outside}, which is no probability; are these logits (--kind logits)?`);
  const [measure, expected] = tolerances[tagger.dtype][kind];
  const tolerance = options.tolerance ?? expected;

  const results: (VerifyPhoto | FailedPhoto)[] = [];
  const judge = (photo: string, logits: Float32Array): void => {
    const row = results.length;
    const comparison = compareLogits(tagger.tags, logits, reference.data.subarray(row * count, (row + 1) * count), kind);
    results.push({ photo, ...comparison, within: measured(comparison, measure) <= tolerance });
  };
  if (given === null) {
    for await (const outcome of tagger.tagStream(photos, { orient: false, logits: true, batch: 1, ...(signal && { signal }) })) {
      if ("error" in outcome) results.push({ photo: outcome.image, error: describe(outcome.error) });
      else judge(outcome.image, outcome.result.logits!);
      onProgress?.(results.length, total);
    }
  } else {
    const size = given.data.length / total;
    for (let i = 0; i < total; i++) {
      const values = { dtype: "float32", shape: [1, ...given.shape.slice(1)], data: given.data.slice(i * size, (i + 1) * size) } as const;
      judge(`row ${i} of ${pixels}`, (await tagger.logits(values, signal === undefined ? {} : { signal })).data);
      onProgress?.(results.length, total);
    }
  }
  const within = results.every((result) => "within" in result && result.within);
  return { model: tagger.folder, dtype: tagger.dtype, device: tagger.device, against, kind, kindDetected: options.kind === undefined, measure, tolerance, photos: results, within };
}

const describe = ({ code, message }: RamplusError): FailedPhoto["error"] => ({ code, message });

/** Preprocessed photos; that they fit the model is the tagger's to say. */
async function readPixels(file: string): Promise<Tensor<"float32">> {
  const fits = (shape: readonly number[]): boolean => shape.length === 4 && shape[0]! > 0 && shape[1] === 3;
  return readArray(file, { usual: ["images", "pixel_values"], fits, expected: "[photos, 3, S, S]" });
}
