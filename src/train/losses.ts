import { abs, add, div, exp, log, max, min, mul, neg, pow, sigmoid, stopGradient, sub } from "../graph/ops/elementwise.js";
import { matMul } from "../graph/ops/matmul.js";
import { reduceMax, reduceMean, reduceSum } from "../graph/ops/reduce.js";
import { scalar, type Value } from "../graph/value.js";

/** Focusing and margin of the asymmetric loss. */
export interface AsymmetricOptions {
  readonly gammaNegative: number;
  readonly gammaPositive: number;
  /** Probability margin m: targets of 0 below it cost nothing. */
  readonly clip: number;
}

/** As RAM++ uses it for tags. */
export const taggingAsymmetry: AsymmetricOptions = { gammaNegative: 7, gammaPositive: 0, clip: 0.05 };
/** As RAM++ uses it for the alignment of photos and texts. */
export const alignmentAsymmetry: AsymmetricOptions = { gammaNegative: 4, gammaPositive: 0, clip: 0.05 };

/**
 * Asymmetric loss (Ridnik et al. 2021, arXiv 2009.14119), summed over all elements. `targets`, of the logits'
 * shape, are 0 or 1, or a probability between them, for which the loss is what is expected; `known`, where given, is 1 where the
 * label is known and 0 where the element carries no loss. The focusing weights are constants for the gradient, as in the reference.
 */
export function asymmetricLoss(logits: Value, targets: Value, { gammaNegative, gammaPositive, clip }: AsymmetricOptions, known?: Value): Value {
  const of = (value: number): Value => scalar(value, logits.dtype);
  const p = sigmoid(logits);
  const absent = sub(of(1), targets);
  const complement = sub(of(1), p);
  const q = clip > 0 ? min(add(complement, of(clip)), of(1)) : complement;
  const epsilon = of(1e-8);
  const focused = (probability: Value, gamma: number): Value => {
    const term = log(max(probability, epsilon));
    return gamma > 0 ? mul(term, stopGradient(pow(sub(of(1), probability), of(gamma)))) : term;
  };
  const weighted = add(mul(targets, focused(p, gammaPositive)), mul(absent, focused(q, gammaNegative)));
  return neg(reduceSum(known === undefined ? weighted : mul(weighted, known)));
}

/** Mean absolute difference over all elements: distillation of the image embedding to a given feature. */
export function distillationLoss(embedding: Value, feature: Value): Value {
  return reduceMean(abs(sub(embedding, feature)));
}

/** Logarithms of the softmax over the last of two axes. */
function logSoftmax(logits: Value): Value {
  const shifted = sub(logits, stopGradient(reduceMax(logits, [1], { keepDims: true })));
  return sub(shifted, log(reduceSum(exp(shifted), [1], { keepDims: true })));
}

/**
 * Distillation of a classifier (Hinton et al. 2015, arXiv 1503.02531): cross entropy of the softmax of `logits` [B, T] over the tags
 * that it was asked about (`asked` [B, T]: 1, else 0) with its softened probabilities `targets` [B, T], whose rows sum to 1, or
 * are 0 where it was not. Summed over photos.
 */
export function classDistillationLoss(logits: Value, targets: Value, asked: Value): Value {
  const of = (value: number): Value => scalar(value, logits.dtype);
  const excluded = mul(sub(of(1), asked), of(-1e4));
  return neg(reduceSum(mul(targets, mul(logSoftmax(add(logits, excluded)), asked))));
}

/**
 * Alignment of global embeddings [B, W] with mean tag embeddings [T, W]: cross entropy of the softmax over tags, at the
 * reweighting temperature, with the photo's tags as targets in equal parts; unknown tags stay out of the softmax. It takes
 * the place of distillation where no CLIP features exist: the tagging loss alone hardly moves a fresh encoder. Summed over photos.
 */
export function tagAlignmentLoss(global: Value, tagMeans: Value, logScale: Value, targets: Value, known: Value): Value {
  const of = (value: number): Value => scalar(value, global.dtype);
  const logits = mul(matMul(global, tagMeans, { transB: true }), exp(logScale));
  const excluded = mul(sub(of(1), known), of(-1e4));
  const logProbabilities = logSoftmax(add(logits, excluded));
  const present = mul(targets, known);
  const share = div(present, max(reduceSum(present, [1], { keepDims: true }), of(1)));
  return neg(reduceSum(mul(share, mul(logProbabilities, known))));
}
