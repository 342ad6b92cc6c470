import { RamplusError } from "../error.js";

/** Training cannot start or go on. */
export class TrainError extends RamplusError {
  override readonly name = "TrainError";
  constructor(
    readonly code: "bad-train-config" | "missing-weight" | "wrong-weight" | "bad-training-state" | "bad-label-changes" | "diverged" | "too-few-photos" | "no-gradient",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
