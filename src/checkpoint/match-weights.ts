import type { DType } from "../tensor/dtype.js";
import { sameShape, type Shape } from "../tensor/shape.js";
import { CheckpointError, type CheckpointFault } from "./checkpoint-error.js";

/** What is compared: a Checkpoint, or any listing of tensors. */
export interface WeightListing {
  readonly file: string;
  readonly tensors: ReadonlyMap<string, { readonly dtype: DType; readonly shape: Shape }>;
}

export interface MatchOptions {
  /** Tensors of the file that may be there without being expected. @default none */
  readonly ignore?: (name: string) => boolean;
}

const floating: ReadonlySet<DType> = new Set<DType>(["float64", "float32", "float16", "bfloat16"]);

/** Compares a file's tensors with a network's, strictly and both ways; returns every fault, in the network's order, then the file's. */
export function matchWeights(checkpoint: WeightListing, expected: ReadonlyMap<string, Shape>, { ignore = () => false }: MatchOptions = {}): readonly CheckpointFault[] {
  const faults: CheckpointFault[] = [];
  for (const [tensor, shape] of expected) {
    const found = checkpoint.tensors.get(tensor);
    if (found === undefined) faults.push({ code: "missing-tensor", tensor, expected: shape });
    else if (!sameShape(found.shape, shape)) faults.push({ code: "wrong-shape", tensor, expected: shape, actual: found.shape });
    else if (!floating.has(found.dtype)) faults.push({ code: "wrong-dtype", tensor, actual: found.dtype });
  }
  for (const [tensor, { shape }] of checkpoint.tensors) {
    if (!expected.has(tensor) && !ignore(tensor)) faults.push({ code: "unexpected-tensor", tensor, actual: shape });
  }
  return faults;
}

/** Throws one CheckpointError with all faults of `matchWeights` where there are any. */
export function assertWeightsMatch(checkpoint: WeightListing, expected: ReadonlyMap<string, Shape>, options?: MatchOptions): void {
  const [first, ...others] = matchWeights(checkpoint, expected, options);
  if (first !== undefined) throw new CheckpointError(checkpoint.file, [first, ...others]);
}
