import { RamplusError } from "../error.js";

/** A call that the tagger cannot take. */
export class TaggerError extends RamplusError {
  override readonly name = "TaggerError";
  constructor(
    readonly code: "bad-option" | "unknown-tag" | "bad-image-input" | "disposed" | "fetch-failed",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
