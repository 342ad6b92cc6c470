import { RamplusError } from "../error.js";

/** A checkpoint that cannot become a model folder as asked. */
export class ConvertError extends RamplusError {
  override readonly name = "ConvertError";
  constructor(
    readonly code: "unknown-architecture" | "tags-needed" | "tags-mismatch" | "bad-option" | "exists" | "bad-reference" | "no-text-encoder" | "bad-weights",
    message: string,
  ) {
    super(message);
  }
}
