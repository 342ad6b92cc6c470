import { input, type Value } from "../graph/value.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import { adamW, type AdamWConfig, type StepScalars } from "./adamw.js";

/** The numbers of a step as inputs of its graph; `stepNumbers` gives them. */
export function stepScalars(): StepScalars {
  return { rate: input("rate", "float32", []), correction1: input("correction1", "float32", []), correction2: input("correction2", "float32", []) };
}

/** What a step's graph takes as `rate`, `correction1` and `correction2`; `count` is the step, from 1. */
export function stepNumbers(rate: number, count: number, { beta1, beta2 }: Pick<AdamWConfig, "beta1" | "beta2">): Record<"rate" | "correction1" | "correction2", Tensor<"float32">> {
  return { rate: float32([], [rate]), correction1: float32([], [1 - beta1 ** count]), correction2: float32([], [Math.sqrt(1 - beta2 ** count)]) };
}

/** The update of a parameter NAME as outputs of a step's graph: `next/NAME`, `next/momentum/NAME` and `next/variance/NAME`, from inputs `momentum/NAME` and `variance/NAME`. */
export function updateOutputs(name: string, parameter: Value, gradient: Value, scalars: StepScalars, config: AdamWConfig, rateScale = 1): Record<string, Value> {
  const moment = (kind: string): Value => input(`${kind}/${name}`, "float32", parameter.shape);
  const next = adamW({ parameter, momentum: moment("momentum"), variance: moment("variance") }, gradient, scalars, config, rateScale);
  return { [`next/${name}`]: next.parameter, [`next/momentum/${name}`]: next.momentum, [`next/variance/${name}`]: next.variance };
}

/** Which outputs of such a step are which inputs of the next one. */
export function stepFeedback(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => [name, `momentum/${name}`, `variance/${name}`]).map((name) => [`next/${name}`, name]));
}
