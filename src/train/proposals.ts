import { softmax } from "../graph/ops/normalization.js";
import { linear } from "../model/layers.js";
import { slice } from "../graph/ops/structure.js";
import type { Params } from "../graph/params.js";
import type { Value } from "../graph/value.js";
import type { RamConfig } from "../model/config.js";
import { encode } from "../model/ram-plus.js";
import type { Tensor } from "../tensor/tensor.js";
import type { TagIndex } from "../vocab/tag-index.js";
import type { Classifier } from "./read-classifier.js";

/** The probability of each class, [B, 1, classes], of images [B, 3, S, S]. */
export function classProbabilities(image: Value, p: Params, model: RamConfig, classes: number): Value {
  const pooled = slice(encode(image, p, model), 1, 0, 1);
  return softmax(linear(pooled, classes, p.at("classifier"), { init: "default" }));
}

/** The classifier's weights by the names of `classProbabilities`. */
export function classifierWeights({ encoder, weight, bias }: Classifier): Map<string, Tensor> {
  return new Map([...[...encoder].map(([name, tensor]) => [`visual_encoder.${name}`, tensor] as const), ["classifier.weight", weight], ["classifier.bias", bias]]);
}

/** A tag that is only implied is proposed from this probability on. */
const leastImplied = 0.5;

/** What a classifier's probabilities say of a vocabulary's tags. */
export interface Proposer {
  /** Tags that stand for a class. */
  readonly tags: readonly number[];
  /**
   * For each tag the probability that it is present, -1: nothing is said. Of a tag that stands for classes that is the sum of
   * their probabilities and of those that imply it. A tag that classes only imply is a sum too, where that is more than half:
   * a person may be in any photo, though of the classes only a diver and a groom are persons.
   */
  propose(probabilities: Float32Array): Float32Array;
}

export function createProposer(wnids: readonly (string | null)[], index: TagIndex): Proposer {
  const own = new Set<number>();
  const members = wnids.flatMap((wnid, place) => {
    const tag = wnid === null ? undefined : index.byWnid(wnid);
    if (tag === undefined) return [];
    own.add(tag.id);
    return [{ place, ids: [tag.id, ...index.impliedBy(tag)] }];
  });
  return {
    tags: [...own].sort((a, b) => a - b),
    propose(probabilities) {
      const sums = new Float32Array(index.tags.length);
      for (const { place, ids } of members) for (const id of ids) sums[id] = sums[id]! + probabilities[place]!;
      return sums.map((sum, id) => (own.has(id) || sum >= leastImplied ? Math.min(sum, 1) : -1));
    },
  };
}
