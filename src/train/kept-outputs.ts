import { join } from "node:path";
import type { Params } from "../graph/params.js";
import type { Value } from "../graph/value.js";
import type { RamConfig } from "../model/config.js";
import type { TrainingPhoto } from "./photo-store.js";
import { runOverPhotos } from "./score-photos.js";
import { stampOf } from "./stamp.js";
import { openTokenCache, writeTokenCache, type TokenCache } from "./token-cache.js";
import type { TrainConfig } from "./train-config.js";
import type { TrainOptions } from "./train-options.js";
import type { TrainingState } from "./trainer.js";

/** What is computed once of every photo, and kept in the run's folder. */
export interface KeptOutput {
  readonly name: string;
  /** What its weights depend on. */
  readonly of: unknown;
  /** Of a photo: [rows, width] */
  readonly shape: readonly [number, number];
  readonly network: (image: Value, p: Params) => Value;
  readonly weights: TrainingState;
}

/** What computing it takes. */
export interface KeptFrom {
  readonly config: TrainConfig;
  readonly model: RamConfig;
  readonly photos: readonly TrainingPhoto[];
}

/** The output of a network for every photo, from `options.out` or made now. */
export async function keptOutputs({ config, model, photos }: KeptFrom, { name, of, shape, network, weights }: KeptOutput, options: TrainOptions): Promise<TokenCache> {
  const file = join(options.out, `${name}.f16`);
  // Repeated photos are computed once.
  const distinct = [...new Map(photos.map((photo) => [photo.name, photo])).values()];
  const stamp = stampOf([model.encoder, config.classifier, of, config.sources, config.heldOut, config.seed, config.normalisation, distinct.length]);
  const kept = await openTokenCache(file, stamp);
  if (kept !== null) return kept;
  const batches = async function* (): AsyncGenerator<{ names: string[]; tokens: Float32Array }> {
    let done = 0;
    const began = performance.now();
    for await (const { photos: batch, output } of runOverPhotos(distinct, model.encoder.imageSize, config.normalisation, network, weights, options)) {
      options.signal?.throwIfAborted();
      yield { names: batch.map((photo) => photo.name), tokens: output.data };
      done += batch.length;
      const rate = (done / (performance.now() - began)) * 1000;
      options.onProgress?.({ phase: "encoding photos", step: done, steps: distinct.length, losses: {}, imagesPerSecond: rate, secondsLeft: (distinct.length - done) / rate });
    }
  };
  await writeTokenCache(file, stamp, shape, batches());
  return (await openTokenCache(file, stamp))!;
}
