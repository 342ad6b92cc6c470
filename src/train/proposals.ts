import { resolve } from "node:path";
import { softmax } from "../graph/ops/normalization.js";
import { linear } from "../model/layers.js";
import { slice } from "../graph/ops/structure.js";
import type { Params } from "../graph/params.js";
import type { Value } from "../graph/value.js";
import type { RamConfig } from "../model/config.js";
import { encode } from "../model/ram-plus.js";
import type { Tensor } from "../tensor/tensor.js";
import type { TagIndex } from "../vocab/tag-index.js";
import { keptOutputs, type KeptFrom } from "./kept-outputs.js";
import type { TrainingPhoto } from "./photo-store.js";
import { readClassifier, type Classifier } from "./read-classifier.js";
import { withoutSideNetwork } from "./side-start.js";
import { TrainError } from "./train-error.js";
import type { TrainOptions } from "./train-options.js";

/** The probability of each class, [B, 1, classes], of images [B, 3, S, S]. */
function classProbabilities(image: Value, p: Params, model: RamConfig, classes: number): Value {
  const pooled = slice(encode(image, p, model), 1, 0, 1);
  return softmax(linear(pooled, classes, p.at("classifier"), { init: "default" }));
}

/** The classifier's weights by the names of `classProbabilities`. */
function classifierWeights({ encoder, weight, bias }: Classifier): Map<string, Tensor> {
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

/** What the configuration's classifier says of the photos whose labels are silent: the tags of which it speaks, and how a photo gets its proposals. */
export async function proposalsFor(silent: KeptFrom, { base, index, file, leftOut }: { readonly base: string; readonly index: TagIndex; readonly file: string; readonly leftOut: readonly number[] }, options: TrainOptions): Promise<{ proposed: number[]; fill: (photo: TrainingPhoto) => TrainingPhoto }> {
  const { config, photos } = silent;
  const model = withoutSideNetwork(silent.model);
  if (photos.length === 0) return { proposed: [], fill: (photo) => photo };
  if (config.proposer === null) throw new TrainError("bad-train-config", `${file}: a source has proposals, and there is no proposer to make them`);
  const classifier = await readClassifier(resolve(base, config.proposer));
  const classes = classifier.wnids.length;
  const proposer = createProposer(classifier.wnids, index);
  const network = (image: Value, p: Params): Value => classProbabilities(image, p, model, classes);
  await using cache = await keptOutputs({ config, model, photos }, { name: "proposals", of: config.proposer, shape: [1, classes], network, weights: classifierWeights(classifier) }, options);
  const found = new Map<string, Float32Array>();
  for (const [place, name] of cache.names.entries()) {
    const probabilities = new Float32Array(classes);
    await cache.read(place, probabilities, 0);
    const proposals = proposer.propose(probabilities);
    for (const id of leftOut) proposals[id] = -1;
    found.set(name, proposals);
  }
  const out = new Set(leftOut);
  return {
    proposed: proposer.tags.filter((id) => !out.has(id)),
    fill: (photo) => {
      const proposals = found.get(photo.name);
      return proposals === undefined ? photo : { ...photo, proposals };
    },
  };
}
