import { stat } from "node:fs/promises";
import type { Precision } from "../bundle/model-config.js";
import { graphFiles } from "../bundle/model-folder.js";
import type { ImageInput } from "../tagger/image-input.js";
import { Tagger } from "../tagger/tagger.js";
import { compareLogits } from "./compare-logits.js";
import { ConvertError } from "./convert-error.js";

/** What a precision costs against fp32, on some photos. */
export interface PrecisionCheck {
  readonly dtype: Precision;
  /** Bytes of its graphs and weights. */
  readonly bytes: number;
  /** Time that a photo takes in the network, in milliseconds: the quickest of the photos, one at a time. */
  readonly ms: number;
  /** Difference of the probabilities from those of fp32: mean over tags and photos, and the largest. */
  readonly meanError: number;
  readonly maxError: number;
  /** F1 of the tags that are returned, held against those of fp32: mean over photos. */
  readonly f1: number;
  /** The least of the photos' F1. */
  readonly leastF1: number;
}

export interface CheckOptions {
  readonly signal?: AbortSignal;
}

/**
 * Tags photos at each precision and compares with fp32, whose graphs lie in `exact` (the same folder, or another one of the
 * same checkpoint). Throws what `Tagger` throws, and a ConvertError (bad-option) without photos.
 */
export async function checkPrecisions(folder: string, dtypes: readonly Precision[], exact: string, photos: readonly ImageInput[], options: CheckOptions = {}): Promise<PrecisionCheck[]> {
  if (photos.length === 0) throw new ConvertError("bad-option", "no photos to check the precisions on");
  const reference = await run(exact, "fp32", photos, options);
  const checks: PrecisionCheck[] = [];
  for (const dtype of dtypes) {
    const { logits, ms, tags } = dtype === "fp32" && folder === exact ? reference : await run(folder, dtype, photos, options);
    const compared = logits.map((here, i) => compareLogits(tags, here, reference.logits[i]!, "logits"));
    const f1 = compared.map(({ common, onlyHere, onlyThere }) => (common === 0 && onlyHere.length + onlyThere.length === 0 ? 1 : (2 * common) / (2 * common + onlyHere.length + onlyThere.length)));
    const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
    checks.push({
      dtype,
      bytes: await bytesOf(folder, dtype),
      ms,
      meanError: mean(compared.map((c) => c.meanProbability)),
      maxError: Math.max(...compared.map((c) => c.maxProbability)),
      f1: mean(f1),
      leastF1: Math.min(...f1),
    });
  }
  return checks;
}

async function run(folder: string, dtype: Precision, photos: readonly ImageInput[], { signal }: CheckOptions): Promise<{ logits: Float32Array[]; ms: number; tags: Tagger["tags"] }> {
  await using tagger = await Tagger.load(folder, { dtype, ...(signal !== undefined && { signal }) });
  const logits: Float32Array[] = [];
  let ms = Infinity;
  for (const photo of photos) {
    const result = await tagger.tag(photo, { logits: true, ...(signal !== undefined && { signal }) });
    logits.push(result.logits!);
    ms = Math.min(ms, result.ms.inference);
  }
  return { logits, ms, tags: tagger.tags };
}

async function bytesOf(folder: string, dtype: Precision): Promise<number> {
  const files = Object.values(graphFiles(folder, dtype)).flatMap((graph) => [graph, `${graph}.data`]);
  const sizes = await Promise.all(files.map((file) => stat(file).then(({ size }) => size, () => 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
