import { Params } from "../graph/params.js";
import { normalise, type Normalisation } from "../image/normalise.js";
import { resizeBilinear } from "../image/resize.js";
import type { RamConfig } from "../model/config.js";
import { ramPlus } from "../model/ram-plus.js";
import { input, type Value } from "../graph/value.js";
import { encodeOnnx } from "../onnx/write-onnx.js";
import type { SessionOptions } from "../runtime/device.js";
import { openSession } from "../runtime/session.js";
import type { Tensor } from "../tensor/tensor.js";
import { decodePhoto } from "./decode-photo.js";
import type { TrainingPhoto } from "./photo-store.js";

const batchSize = 32;

/** Photos resized to the input's size without augmentation: [B, 3, S, S]. */
export async function plainBatch(photos: readonly TrainingPhoto[], size: number, normalisation: Normalisation): Promise<Tensor<"float32">> {
  const data = new Float32Array(photos.length * 3 * size * size);
  await Promise.all(photos.map(async (photo, i) => normalise(resizeBilinear(await decodePhoto(photo), size, size), normalisation, data, i * 3 * size * size)));
  return { dtype: "float32", shape: [photos.length, 3, size, size], data };
}

type Network = (image: Value, p: Params) => Value;

/** Runs a network over photos, a batch at a time, decoding the next one meanwhile; gives each batch's photos and output. */
export async function* runOverPhotos(photos: readonly TrainingPhoto[], size: number, normalisation: Normalisation, network: Network, weights: ReadonlyMap<string, Tensor>, options: SessionOptions): AsyncGenerator<{ photos: readonly TrainingPhoto[]; output: Tensor<"float32"> }> {
  const output = network(input("pixel_values", "float32", ["batch", 3, size, size]), Params.root());
  await using session = await openSession({ bytes: await encodeOnnx({ output }, (name) => weights.get(name)!) }, options);
  const prepare = (start: number): Promise<Tensor<"float32">> | null => (start < photos.length ? plainBatch(photos.slice(start, start + batchSize), size, normalisation) : null);
  let next = prepare(0);
  for (let start = 0; start < photos.length; start += batchSize) {
    const images = (await next)!;
    next = prepare(start + batchSize);
    // A failure of the next batch is thrown when its turn comes.
    next?.catch(() => undefined);
    const result = await session.run({ pixel_values: images });
    yield { photos: photos.slice(start, start + batchSize), output: result["output"] as Tensor<"float32"> };
  }
}

/** Logits of every tag for each photo, in order. */
export async function scorePhotos(model: RamConfig, photos: readonly TrainingPhoto[], normalisation: Normalisation, weights: ReadonlyMap<string, Tensor>, options: SessionOptions): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for await (const { photos: batch, output } of runOverPhotos(photos, model.encoder.imageSize, normalisation, (image, p) => ramPlus(image, p, model), weights, options)) {
    for (let i = 0; i < batch.length; i++) rows.push(output.data.slice(i * model.tags, (i + 1) * model.tags));
  }
  return rows;
}
