import { RamplusError } from "../error.js";

export type EvalErrorCode = "bad-option" | "bad-groups" | "nothing-to-measure" | "bad-journal" | "journal-mismatch" | "unwritable";

/** Something that cannot be measured, or whose results cannot be kept. */
export class EvalError extends RamplusError {
  override readonly name = "EvalError";
  constructor(
    readonly code: EvalErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
