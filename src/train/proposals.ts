import { resolve } from "node:path";
import type { Params } from "../graph/params.js";
import type { Value } from "../graph/value.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import type { TagIndex } from "../vocab/tag-index.js";
import { classifierWeights, classProbabilities, proposerScope } from "./class-probabilities.js";
import { keptOutputs, type KeptFrom } from "./kept-outputs.js";
import type { TrainingPhoto } from "./photo-store.js";
import { readClassifier } from "./read-classifier.js";
import { withoutSideNetwork } from "./side-start.js";
import { TrainError } from "./train-error.js";
import type { TrainOptions } from "./train-options.js";
import type { TrainingState } from "./trainer.js";

/** A tag that is only implied is proposed from this probability on. */
export const leastImplied = 0.5;

/** What a classifier's probabilities say of a vocabulary's tags. */
export interface Proposer {
  /** Tags that stand for a class. */
  readonly tags: readonly number[];
  /** [tags, classes]: 1 where the class stands for the tag or implies it. */
  readonly members: Tensor<"float32">;
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
  const table = float32([index.tags.length, wnids.length], new Float32Array(index.tags.length * wnids.length));
  for (const { place, ids } of members) for (const id of ids) table.data[id * wnids.length + place] = 1;
  return {
    tags: [...own].sort((a, b) => a - b),
    members: table,
    propose(probabilities) {
      const sums = new Float32Array(index.tags.length);
      for (const { place, ids } of members) for (const id of ids) sums[id] = sums[id]! + probabilities[place]!;
      return sums.map((sum, id) => (own.has(id) || sum >= leastImplied ? Math.min(sum, 1) : -1));
    },
  };
}

/** What a run knows from its proposer. */
export interface Proposals {
  /** Tags that it proposes. */
  readonly proposed: readonly number[];
  /** A photo with what it says of the whole of it, kept once. */
  readonly fill: (photo: TrainingPhoto) => TrainingPhoto;
  /** What looks at a step's own photos: its number of classes and its weights, by the names of `cropProposals`; null: there is none. */
  readonly cropProposer: { readonly classes: number; readonly weights: TrainingState } | null;
}

/** What the configuration's classifier says of the photos whose labels are silent: the tags of which it speaks, how a photo gets its proposals, and what looks at crops of them. */
export async function proposalsFor(silent: KeptFrom, { base, index, file, leftOut }: { readonly base: string; readonly index: TagIndex; readonly file: string; readonly leftOut: readonly number[] }, options: TrainOptions): Promise<Proposals> {
  const { config, photos } = silent;
  const model = withoutSideNetwork(silent.model);
  if (photos.length === 0) return { proposed: [], fill: (photo) => photo, cropProposer: null };
  if (config.proposer === null) throw new TrainError("bad-train-config", `${file}: a source has proposals, and there is no proposer to make them`);
  const classifier = await readClassifier(resolve(base, config.proposer));
  const classes = classifier.wnids.length;
  const proposer = createProposer(classifier.wnids, index);
  const weights = classifierWeights(classifier);
  const network = (image: Value, p: Params): Value => classProbabilities(image, p, model, classes);
  await using cache = await keptOutputs({ config, model, photos }, { name: "proposals", of: config.proposer, shape: [1, classes], network, weights }, options);
  const found = new Map<string, Float32Array>();
  for (const [place, name] of cache.names.entries()) {
    const probabilities = new Float32Array(classes);
    await cache.read(place, probabilities, 0);
    const proposals = proposer.propose(probabilities);
    for (const id of leftOut) proposals[id] = -1;
    found.set(name, proposals);
  }
  for (const id of leftOut) proposer.members.data.fill(0, id * classes, (id + 1) * classes);
  const cropProposer = { classes, weights: new Map<string, Tensor>([...[...weights].map(([name, tensor]) => [`${proposerScope}.${name}`, tensor] as const), [`${proposerScope}.tags`, proposer.members]]) };
  const out = new Set(leftOut);
  return {
    cropProposer,
    proposed: proposer.tags.filter((id) => !out.has(id)),
    fill: (photo) => {
      const proposals = found.get(photo.name);
      return proposals === undefined ? photo : { ...photo, proposals };
    },
  };
}
