import type { Tensor } from "../tensor/tensor.js";
import type { RuntimeError } from "./runtime-error.js";
import type { Device, ModelSource } from "./device.js";

/** What a session's worker starts with. */
export interface WorkerStart {
  readonly model: ModelSource;
  readonly device: Device;
  readonly threads: number;
  readonly keepMemory: boolean;
  readonly packWeights: boolean;
  readonly optimise: "all" | "basic" | "none";
  /** Where the native runtime writes what each operator took and where it ran: the beginning of the file's path. */
  readonly profile?: string;
}

/** The first message to a session's worker: the model may be opened. */
export interface WorkerPermission {
  readonly kind: "open";
}

/** The session is open. */
export interface WorkerReady {
  readonly kind: "ready";
  readonly device: Exclude<Device, "auto">;
  readonly fallback: boolean;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
}

export type Tensors = Readonly<Record<string, Tensor>>;

export type WorkerRequest =
  | { readonly kind: "run"; readonly id: number; readonly feeds: Tensors; readonly fetches: readonly string[] | null }
  /** Keeps tensors in the worker as inputs of every step; outputs named in `feedback` become the inputs that it names. */
  | { readonly kind: "start-loop"; readonly id: number; readonly key: number; readonly state: Tensors; readonly feedback: Readonly<Record<string, string>> }
  | { readonly kind: "step"; readonly id: number; readonly key: number; readonly feeds: Tensors }
  | { readonly kind: "read-state"; readonly id: number; readonly key: number }
  | { readonly kind: "close"; readonly id: number };

export interface WorkerFailure {
  readonly kind: "failed";
  readonly id: number | null;
  readonly code: RuntimeError["code"];
  readonly message: string;
}

export type WorkerReply = WorkerReady | WorkerFailure | { readonly kind: "done"; readonly id: number; readonly outputs: Tensors };

