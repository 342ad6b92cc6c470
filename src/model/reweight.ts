import { add, div, exp, mul, sqrt } from "../graph/ops/elementwise.js";
import { matMul } from "../graph/ops/matmul.js";
import { softmax } from "../graph/ops/normalization.js";
import { reduceSum } from "../graph/ops/reduce.js";
import { concat, slice, squeeze, transpose, unsqueeze } from "../graph/ops/structure.js";
import { sizeOf } from "../graph/type.js";
import type { Value } from "../graph/value.js";
import { inParts } from "./parts.js";

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

/** Bytes of the descriptions that are weighed in one go: GPUs bind 128 MiB at most, and what is kept in fewer bits is widened part by part. */
const largestPart = 64 * 1024 * 1024;

/**
 * Weighs the descriptions [T, D, W] of each tag by their similarity to the photo's global embedding [B, W] (RAM++, section
 * 3.3): softmax over the D descriptions of exp(scale) times the dot products. `mask` [T, D], where tags have different
 * numbers of descriptions, is added before the softmax; tags that come with one are as many as the caller gives at once.
 */
export function reweight(global: Value, descriptions: Value, logScale: Value, mask?: Value): Reweighted {
  if (mask !== undefined) return reweightPart(global, descriptions, logScale, mask);
  const parts = inParts(descriptions, 0, largestPart / (4 * sizeOf(descriptions.shape.slice(1)))).map((part) => reweightPart(global, part, logScale));
  const joined = (of: (part: Reweighted) => Value): Value => concat(parts.map(of), 1);
  return { labels: joined((part) => part.labels), similarity: joined((part) => part.similarity), weights: joined((part) => part.weights) };
}

function reweightPart(global: Value, descriptions: Value, logScale: Value, mask?: Value): Reweighted {
  // Tags first in both products: the table of descriptions, the largest of all weights, is read as it is stored, and once for the batch.
  const dots = transpose(matMul(descriptions, transpose(global, [1, 0])), [0, 2, 1]); // [T, B, D]
  const scaled = mul(dots, exp(logScale));
  const weights = softmax(mask === undefined ? scaled : add(scaled, unsqueeze(mask, 1)));
  const byTag = matMul(weights, descriptions); // [T, B, W]
  const photosFirst = (x: Value): Value => transpose(x, [1, 0, 2]);
  return { labels: photosFirst(byTag), similarity: transpose(reduceSum(mul(weights, dots), [2]), [1, 0]), weights: photosFirst(weights) };
}
