import type { Value } from "../graph/value.js";

/** What training and tests may attach to a network; inference passes none. */
export interface NetworkHooks {
  /** Sees named intermediate values as they are built. */
  readonly observe?: (name: string, value: Value) => void;
  /** Stands between a residual branch of the encoder and its addition (stochastic depth). `branch` counts from 0. */
  readonly residual?: (value: Value, branch: number) => Value;
}
