import { add, cast, div, greaterOrEqual, max, min, mul, sqrt, stopGradient, sub } from "../graph/ops/elementwise.js";
import { gather } from "../graph/ops/gather.js";
import { matMul } from "../graph/ops/matmul.js";
import { reduceSum } from "../graph/ops/reduce.js";
import { squeeze } from "../graph/ops/structure.js";
import type { Params } from "../graph/params.js";
import { input, scalar, type Value } from "../graph/value.js";
import type { RamConfig } from "../model/config.js";
import { classProbabilities, proposerScope } from "./class-probabilities.js";
import { leastImplied } from "./proposals.js";
import { withoutSideNetwork } from "./side-start.js";

/** What labels say of the drawn tags, [B, T] each, and what they and a classifier that looks at the step's own photos say together. */
export interface CropProposals {
  readonly targets: Value;
  readonly known: Value;
  /** Its probabilities at a temperature of 2 over the tags of each photo that it is asked about, summing to 1. */
  readonly classTargets: Value;
}

/**
 * What a classifier of `classes` classes says of photos [B, 3, S, S] as this step sees them, cropped and turned: a network that is
 * to agree with it has to see what it saw (Beyer et al. 2022, arXiv 2106.05237). By the rules of `createProposer`, `drawTags` and `classTargets`. Inputs:
 * `silent` [B, T], 1 where labels say nothing and the photo is one that it is asked about; `asked` [B, T], 1 where the tag also stands for one of
 * its classes; `absence` [T], how much it weighs that it says a tag is absent.
 */
export function cropProposals(image: Value, p: Params, model: RamConfig, { classes, batch, tagIds, targets, known }: { readonly classes: number; readonly batch: number; readonly tagIds: Value; readonly targets: Value; readonly known: Value }): CropProposals {
  const own = p.at(proposerScope);
  const tags = tagIds.shape[0] as number;
  const probabilities = squeeze(classProbabilities(image, own, withoutSideNetwork(model), classes), 1);
  const members = gather(own.get("tags", [model.tags, classes], { kind: "constant", value: 0 }), tagIds);
  const proposed = stopGradient(min(matMul(probabilities, members, { transB: true }), scalar(1)));
  const asked = input("asked", "float32", [batch, tags]);
  const implied = cast(greaterOrEqual(proposed, scalar(leastImplied)), "float32");
  const says = max(asked, mul(input("silent", "float32", [batch, tags]), implied));
  const weight = add(proposed, mul(sub(scalar(1), proposed), input("absence", "float32", [tags])));
  const softened = mul(sqrt(proposed), asked);
  return {
    targets: add(targets, mul(says, div(proposed, max(weight, scalar(1e-8))))),
    known: add(mul(known, sub(scalar(1), says)), mul(says, weight)),
    classTargets: div(softened, max(reduceSum(softened, [1], { keepDims: true }), scalar(1e-8))),
  };
}
