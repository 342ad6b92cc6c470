import { RamplusError } from "../error.js";

/** An ONNX file that cannot be written or read. */
export class OnnxError extends RamplusError {
  override readonly name = "OnnxError";
  constructor(
    readonly code: "not-onnx" | "unsupported-operator" | "missing-weight" | "wrong-weight" | "external-data",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
