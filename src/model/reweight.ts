import { div, exp, mul, sqrt } from "../graph/ops/elementwise.js";
import { matMul } from "../graph/ops/matmul.js";
import { softmax } from "../graph/ops/normalization.js";
import { reduceSum } from "../graph/ops/reduce.js";
import { reshape, squeeze, slice, transpose } from "../graph/ops/structure.js";
import type { Value } from "../graph/value.js";

/** The image's global embedding [B, W] divided by its length; nothing is added to the length, as in the reference. */
export function globalEmbedding(imageEmbeds: Value): Value {
  const pooled = squeeze(slice(imageEmbeds, 1, 0, 1), 1);
  return div(pooled, sqrt(reduceSum(mul(pooled, pooled), [1], { keepDims: true })));
}

export interface Reweighted {
  /** One vector for each photo and tag: [B, T, W]. */
  readonly labels: Value;
  /** Dot product of the global embedding with each photo's own description of each tag: [B, T]. */
  readonly similarity: Value;
  /** How much of each description went into it: [B, T, D]. */
  readonly weights: Value;
}

/**
 * Weighs the descriptions of each tag by their similarity to the photo (RAM++, section 3.3): softmax over the D
 * descriptions of exp(scale) times the dot products. `descriptions` is [T D, W], row = tag * D + description, as stored.
 */
export function reweight(global: Value, descriptions: Value, perTag: number, logScale: Value): Reweighted {
  const [rows, width] = descriptions.shape as [number, number];
  const tags = rows / perTag;
  const batch = global.shape[0]!;
  const dots = reshape(matMul(global, descriptions, { transB: true }), [batch, tags, perTag]);
  const weights = softmax(mul(dots, exp(logScale)));
  // One product for each tag over the whole batch, not one for each photo and tag.
  const byTag = matMul(transpose(weights, [1, 0, 2]), reshape(descriptions, [tags, perTag, width])); // [T, B, W]
  return { labels: transpose(byTag, [1, 0, 2]), similarity: reduceSum(mul(weights, dots), [2]), weights };
}
