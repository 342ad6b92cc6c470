import { RamplusError } from "../error.js";

/** A configuration that no network can have, or a checkpoint whose shapes are no network of this project. */
export class ModelError extends RamplusError {
  override readonly name = "ModelError";
  constructor(
    readonly code: "bad-model-config" | "unknown-architecture",
    message: string,
  ) {
    super(message);
  }
}
