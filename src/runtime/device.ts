/** Where a session runs: "auto" is the native CPU where it is installed, else WebAssembly. Names as in transformers.js. */
export type Device = "auto" | "cpu" | "wasm" | "webgpu" | "cuda" | "coreml" | "dml";

export const devices: readonly Device[] = ["auto", "cpu", "wasm", "webgpu", "cuda", "coreml", "dml"];

export interface SessionOptions {
  /** @default "auto" */
  readonly device?: Device;
  /** CPU threads of this session. @default all cores */
  readonly threads?: number;
  /**
   * Keep the memory of a run's intermediate results for the next run: a twentieth faster, but hundreds of megabytes with a
   * large network. @default true
   */
  readonly keepMemory?: boolean;
  /**
   * Keep weights in the order in which products read them, a copy for each product. Without it the weights are read from the
   * file as they lie there: a tenth slower, but at once, and once where several products share a weight. @default true
   */
  readonly packWeights?: boolean;
  /** How far ONNX Runtime may rewrite the graph. @default "all" */
  readonly optimise?: "all" | "basic" | "none";
  /** The model is opened once this is fulfilled, and not at all where it is rejected; the runtime is loaded meanwhile. @default at once */
  readonly after?: Promise<unknown>;
  /** Told once, in a line for people, when the slower WebAssembly runs because the native runtime is not installed. */
  readonly onNotice?: (line: string) => void;
}

/** An ONNX model: a file (its external data beside it) or the bytes of a file without external data. */
export type ModelSource = { readonly file: string } | { readonly bytes: Uint8Array };
