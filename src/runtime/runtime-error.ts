import { RamplusError } from "../error.js";

/** ONNX Runtime cannot do what was asked. */
export class RuntimeError extends RamplusError {
  override readonly name = "RuntimeError";
  constructor(
    readonly code: "device-unavailable" | "runtime-missing" | "model-unusable" | "run-failed" | "session-closed",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
