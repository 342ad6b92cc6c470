import { join } from "node:path";
import type { ModelFolder } from "../bundle/model-folder.js";
import { modelId } from "../bundle/model-id.js";
import { Params } from "../graph/params.js";
import { input } from "../graph/value.js";
import { embedRows, type RamConfig } from "../model/config.js";
import { allLabels, tagLogits } from "../model/ram-plus.js";
import { encodeOnnx } from "../onnx/write-onnx.js";
import { openSession } from "../runtime/session.js";
import { Tagger } from "../tagger/tagger.js";
import type { TrainingPhoto } from "./photo-store.js";
import { stampOf } from "./stamp.js";
import { openTokenCache, writeTokenCache, type TokenCache } from "./token-cache.js";
import type { TrainOptions } from "./train-options.js";
import type { TrainingState } from "./trainer.js";

/** Photos at a time in memory. */
const batch = 32;

/** Image embeddings [1 + N (+ F), W] of all photos that can be read, from the run's folder or made now by the model's vision graph. */
export async function keptEmbeddings(read: ModelFolder, shape: readonly [number, number], photos: readonly TrainingPhoto[], options: TrainOptions): Promise<TokenCache> {
  const file = join(options.out, "embeddings.f16");
  const stamp = stampOf([await modelId(read, options.signal), photos.map(({ name }) => name)]);
  const kept = await openTokenCache(file, stamp);
  if (kept !== null) return kept;
  await using tagger = await Tagger.load(read.folder, { device: options.device ?? "cpu", ...(options.threads !== undefined && { threads: options.threads }) });
  const began = performance.now();
  const batches = async function* (): AsyncGenerator<{ names: string[]; tokens: Float32Array }> {
    for (let from = 0; from < photos.length; from += batch) {
      options.signal?.throwIfAborted();
      const part = photos.slice(from, from + batch);
      const bytes = await Promise.all(part.map((photo) => photo.read().catch(() => new Uint8Array())));
      const names: string[] = [];
      const rows: Float32Array[] = [];
      let at = 0;
      for await (const outcome of tagger.features(bytes)) {
        const { name } = part[at++]!;
        if ("error" in outcome) options.onUnreadable?.(`${name}: ${outcome.error.message}`);
        else {
          names.push(name);
          rows.push(outcome.features.data);
        }
      }
      const tokens = new Float32Array(rows.length * shape[0] * shape[1]);
      rows.forEach((row, i) => tokens.set(row, i * row.length));
      yield { names, tokens };
      const done = Math.min(photos.length, from + batch);
      const speed = (done / (performance.now() - began)) * 1000;
      options.onProgress?.({ phase: "encoding photos", step: done, steps: photos.length, losses: {}, imagesPerSecond: speed, secondsLeft: (photos.length - done) / speed });
    }
  };
  await writeTokenCache(file, stamp, shape, batches());
  return (await openTokenCache(file, stamp))!;
}

/** Logits of a head over kept embeddings. */
export async function scoreEmbeddings(model: RamConfig, weights: TrainingState, cache: TokenCache, positions: Int32Array, options: TrainOptions): Promise<Float32Array[]> {
  const p = Params.root();
  const logits = tagLogits(input("image_embeds", "float32", ["batch", embedRows(model), model.textWidth]), allLabels(p, model), p, model);
  await using session = await openSession({ bytes: await encodeOnnx({ logits }, (name) => weights.get(name)!) }, options);
  const size = cache.shape[0] * cache.shape[1];
  const rows: Float32Array[] = [];
  for (let from = 0; from < positions.length; from += batch) {
    options.signal?.throwIfAborted();
    const part = positions.subarray(from, from + batch);
    const data = new Float32Array(part.length * size);
    for (const [i, position] of part.entries()) await cache.read(position, data, i * size);
    const result = await session.run({ image_embeds: { dtype: "float32", shape: [part.length, ...cache.shape], data } });
    const all = result["logits"]!.data as Float32Array;
    part.forEach((_, i) => rows.push(all.slice(i * model.tags, (i + 1) * model.tags)));
  }
  return rows;
}
