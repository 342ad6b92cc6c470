import type { DType } from "../tensor/dtype.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";

/** A tensor in a file, not yet read. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** Reads the tensor's own bytes: stored dtype, row-major, views resolved. Throws CheckpointError when the file ends early or is closed. */
  read(): Promise<Tensor>;
}

/** An open file of weights. Only the directory of tensors is in memory. */
export interface Checkpoint {
  readonly file: string;
  readonly format: "safetensors" | "torch-zip" | "torch-legacy";
  /** The tensors by name, in the file's order. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** `__metadata__` of a safetensors file; empty for the others. */
  readonly metadata: ReadonlyMap<string, string>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
