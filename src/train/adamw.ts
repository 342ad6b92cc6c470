import { add, div, min, mul, sqrt, sub } from "../graph/ops/elementwise.js";
import { addAll } from "../graph/ops/elementwise.js";
import { reduceSum } from "../graph/ops/reduce.js";
import { scalar, type Value } from "../graph/value.js";

export interface AdamWConfig {
  /** @default 0.9 */
  readonly beta1: number;
  /** @default 0.999 */
  readonly beta2: number;
  /** @default 1e-8 */
  readonly epsilon: number;
  /** Decoupled weight decay. */
  readonly weightDecay: number;
}

export const defaultAdamW: AdamWConfig = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.05 };

/** What one parameter's update reads and gives. */
export interface AdamWState {
  readonly parameter: Value;
  readonly momentum: Value;
  readonly variance: Value;
}

/** Numbers of a step that depend on its count, as scalars given at run time. */
export interface StepScalars {
  /** Learning rate. */
  readonly rate: Value;
  /** 1 - beta1^t */
  readonly correction1: Value;
  /** sqrt(1 - beta2^t) */
  readonly correction2: Value;
}

/**
 * One AdamW update (Loshchilov & Hutter 2019, arXiv 1711.05101) in the reference's order: decay first, then the step;
 * sqrt(v) is divided by sqrt(1 - beta2^t) before epsilon is added. `rateScale` multiplies the learning rate.
 */
export function adamW(state: AdamWState, gradient: Value, { rate, correction1, correction2 }: StepScalars, c: AdamWConfig, rateScale = 1): AdamWState {
  const ownRate = rateScale === 1 ? rate : mul(rate, scalar(rateScale));
  const momentum = add(mul(state.momentum, scalar(c.beta1)), mul(gradient, scalar(1 - c.beta1)));
  const variance = add(mul(state.variance, scalar(c.beta2)), mul(mul(gradient, gradient), scalar(1 - c.beta2)));
  const decayed = c.weightDecay === 0 ? state.parameter : mul(state.parameter, sub(scalar(1), mul(ownRate, scalar(c.weightDecay))));
  const denominator = add(div(sqrt(variance), correction2), scalar(c.epsilon));
  const parameter = sub(decayed, mul(div(momentum, denominator), div(ownRate, correction1)));
  return { parameter, momentum, variance };
}

/** Euclidean norm over all gradients. */
export function globalNorm(gradients: readonly Value[]): Value {
  return sqrt(addAll(gradients.map((g) => reduceSum(mul(g, g)))));
}

/** Factor that brings gradients of this norm down to `limit`; 1 where they are within it. */
export function clipFactor(norm: Value, limit: number): Value {
  return min(div(scalar(limit), add(norm, scalar(1e-6))), scalar(1));
}
