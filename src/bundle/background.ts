import { existsSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError } from "../checkpoint/checkpoint-error.js";
import { readSafetensors } from "../checkpoint/read-safetensors.js";
import { writeSafetensors } from "../checkpoint/write-safetensors.js";
import { castTensor } from "../tensor/cast.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import { BundleError } from "./bundle-error.js";

/** Features of everyday photos that a model folder may carry: what a new tag is told apart from where a person gives no photos without it. */
export const backgroundFile = (folder: string): string => join(folder, "background.safetensors");

/** Writes features [rows, W] of photos, in half precision. */
export async function writeBackground(folder: string, photos: readonly Tensor<"float32">[]): Promise<void> {
  const [tokens, width] = photos[0]!.shape as [number, number];
  const data = new Float32Array(photos.length * tokens * width);
  photos.forEach((photo, i) => data.set(photo.data, i * tokens * width));
  await writeSafetensors(backgroundFile(folder), [{ name: "image_embeds", tensor: castTensor({ dtype: "float32", shape: [photos.length, tokens, width], data }, "float16") }]);
}

/** The features that a model folder carries; null: it carries none. Throws a BundleError for a file that is damaged. */
export async function readBackground(folder: string): Promise<Tensor<"float32">[] | null> {
  const file = backgroundFile(folder);
  if (!existsSync(file)) return null;
  try {
    const embeds = (await readSafetensors(file)).get("image_embeds");
    if (embeds?.dtype !== "float16" || embeds.shape.length !== 3) throw new BundleError("bad-config", file, "expected image_embeds [photos, rows, W] in float16");
    const [photos, tokens, width] = embeds.shape as [number, number, number];
    const all = castTensor(embeds, "float32").data;
    return Array.from({ length: photos }, (_, i) => float32([tokens, width], all.subarray(i * tokens * width, (i + 1) * tokens * width)));
  } catch (cause) {
    if (cause instanceof CheckpointError) throw new BundleError("bad-config", file, cause.message.slice(file.length + 2), { cause });
    throw cause;
  }
}
