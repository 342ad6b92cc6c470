import type { RamConfig } from "../model/config.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import { scoreEmbeddings } from "./kept-embeddings.js";
import { median } from "./median.js";
import { memoryTokens } from "./token-cache.js";
import type { TrainOptions } from "./train-options.js";
import type { TrainingState } from "./trainer.js";

/** A head that was trained on some photos, and its logits of others. */
export interface HeldHead {
  readonly weights: TrainingState;
  /** Logits of all tags for each of the other photos, by the head before and by this one. */
  readonly before: readonly Float32Array[];
  readonly after: readonly Float32Array[];
}

/**
 * A trained head with the biases of the tags `ids` moved so that the middle one of other photos, whose `image_embeds` are given, scores as by
 * the head before: what no loss speaks of is held on the photos trained on, and drifts elsewhere. Encoder and projection must be those that
 * gave the embeddings. Without a bias for each tag, or without photos, the head stays as it is.
 */
export async function holdBiases(model: RamConfig, start: TrainingState, trained: TrainingState, ids: readonly number[], embeds: readonly Tensor<"float32">[], options: TrainOptions): Promise<HeldHead> {
  if (embeds.length === 0) return { weights: trained, before: [], after: [] };
  const cache = memoryTokens(embeds);
  const positions = Int32Array.from(embeds, (_, i) => i);
  const [before, after] = [await scoreEmbeddings(model, start, cache, positions, options), await scoreEmbeddings(model, trained, cache, positions, options)];
  const bias = trained.get("similarity_bias");
  if (bias === undefined) return { weights: trained, before, after };
  const biases = Float32Array.from(bias.data as Float32Array);
  for (const id of ids) {
    const shift = median(before.map((row, i) => row[id]! - after[i]![id]!));
    biases[id]! += shift;
    for (const row of after) row[id]! += shift;
  }
  return { weights: new Map([...trained, ["similarity_bias", float32(bias.shape, biases)]]), before, after };
}
