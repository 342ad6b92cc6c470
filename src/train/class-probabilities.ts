import { softmax } from "../graph/ops/normalization.js";
import { slice } from "../graph/ops/structure.js";
import type { Params } from "../graph/params.js";
import type { Value } from "../graph/value.js";
import type { RamConfig } from "../model/config.js";
import { linear } from "../model/layers.js";
import { encode } from "../model/ram-plus.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Classifier } from "./read-classifier.js";

/** Where the proposer's weights and its table of tags are among a step's parameters; they do not train. */
export const proposerScope = "proposer";

/** The probability that a classifier gives each class, [B, 1, classes], of images [B, 3, S, S]. */
export function classProbabilities(image: Value, p: Params, model: RamConfig, classes: number): Value {
  const pooled = slice(encode(image, p, model), 1, 0, 1);
  return softmax(linear(pooled, classes, p.at("classifier"), { init: "default" }));
}

/** The classifier's weights by the names of `classProbabilities`. */
export function classifierWeights({ encoder, weight, bias }: Classifier): Map<string, Tensor> {
  return new Map([...[...encoder].map(([name, tensor]) => [`visual_encoder.${name}`, tensor] as const), ["classifier.weight", weight], ["classifier.bias", bias]]);
}
