import { add } from "../graph/ops/elementwise.js";
import { matMul } from "../graph/ops/matmul.js";
import { layerNormalization } from "../graph/ops/normalization.js";
import type { Initializer, Params } from "../graph/params.js";
import type { Value } from "../graph/value.js";

/** The reference's initial weights: transformers normal with std 0.02, single projections uniform as PyTorch's default. */
export const transformerInit: Initializer = { kind: "normal", std: 0.02 };
const zero: Initializer = { kind: "constant", value: 0 };
const one: Initializer = { kind: "constant", value: 1 };

export interface LinearOptions {
  /** @default true */
  readonly bias?: boolean;
  /** @default transformerInit */
  readonly init?: "transformer" | "default";
}

/** x W^T + b over the last axis; W is [width, inputs] as checkpoints have it. */
export function linear(x: Value, width: number, p: Params, { bias = true, init = "transformer" }: LinearOptions = {}): Value {
  const inputs = x.shape[x.rank - 1] as number;
  const uniform: Initializer = { kind: "uniform", bound: 1 / Math.sqrt(inputs) };
  const product = matMul(x, p.get("weight", [width, inputs], init === "default" ? uniform : transformerInit), { transB: true });
  return bias ? add(product, p.get("bias", [width], init === "default" ? uniform : zero)) : product;
}

/** Layer normalisation over the last axis. */
export function layerNorm(x: Value, p: Params, epsilon: number): Value {
  const width = x.shape[x.rank - 1] as number;
  return layerNormalization(x, p.get("weight", [width], one), p.get("bias", [width], zero), epsilon);
}
