import { RamplusError } from "../error.js";

export type BundleErrorCode = "model-not-found" | "bad-config" | "bad-version" | "missing-file" | "bad-tags" | "bad-graph" | "dtype-unavailable" | "no-bank-graph" | "exists"
  | "bad-calibration" | "wrong-calibration" | "no-calibration" | "unwritable";

/** A model folder that cannot be used. */
export class BundleError extends RamplusError {
  override readonly name = "BundleError";
  constructor(
    readonly code: BundleErrorCode,
    /** The file or folder at fault. */
    readonly file: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${file}: ${problem}`, options);
  }
}
