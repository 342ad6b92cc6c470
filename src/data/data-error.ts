import { RamplusError } from "../error.js";

export type DataErrorCode = "not-found" | "bad-labels" | "bad-shard" | "bad-list" | "bad-captions" | "no-photos" | "unwritable";

/** A data set that cannot be read. */
export class DataError extends RamplusError {
  override readonly name = "DataError";
  constructor(
    readonly code: DataErrorCode,
    /** The file or folder at fault. */
    readonly file: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${file}: ${problem}`, options);
  }
}
