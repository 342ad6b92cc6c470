import { float32, type Tensor } from "../tensor/tensor.js";
import type { TrainingState } from "./trainer.js";

const prefix = "average/";

/** An exponential moving average of weights, which a run keeps beside them. */
export interface WeightAverage {
  /** Steps between two weights that are taken in. */
  readonly every: number;
  /** Takes the weights in; moments are left out. */
  add(state: TrainingState): void;
  /** The averaged weights; null before any were taken in. */
  weights(): TrainingState | null;
  /** What a saved state keeps of it. */
  saved(): TrainingState;
}

/** Whether a state's entry is a weight, and neither a moment nor part of an average. */
const isWeight = (name: string): boolean => !name.startsWith("momentum/") && !name.startsWith("variance/") && !name.startsWith(prefix);

/** The weights of a state alone. */
export function weightsOnly(state: TrainingState): Map<string, Tensor> {
  return new Map([...state].filter(([name]) => isWeight(name)));
}

/**
 * An average that goes on from what `state` keeps of one. `decay` is a step's; weights are taken in every tenth step, with the
 * decay of ten.
 */
export function createWeightAverage(decay: number, state: TrainingState): WeightAverage {
  const every = 10;
  const kept = decay ** every;
  const sums = new Map<string, Tensor<"float32">>();
  for (const [name, tensor] of state) if (name.startsWith(prefix)) sums.set(name.slice(prefix.length), float32(tensor.shape, (tensor.data as Float32Array).slice()));
  return {
    every,
    add: (next) => {
      for (const [name, tensor] of next) {
        if (!isWeight(name)) continue;
        const own = sums.get(name);
        const data = tensor.data as Float32Array;
        if (own === undefined) sums.set(name, float32(tensor.shape, data.slice()));
        else for (let i = 0; i < data.length; i++) own.data[i] = kept * own.data[i]! + (1 - kept) * data[i]!;
      }
    },
    weights: () => (sums.size === 0 ? null : sums),
    saved: () => new Map([...sums].map(([name, tensor]) => [prefix + name, tensor])),
  };
}
