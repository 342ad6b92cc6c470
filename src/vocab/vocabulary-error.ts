import { RamplusError } from "../error.js";

export type VocabularyErrorCode =
  | "not-found" | "unreadable" | "unwritable" | "too-large" | "not-utf8"
  | "bad-list" | "bad-number" | "length-mismatch" | "bad-tags" | "bad-hypernyms"
  | "bad-merges" | "bad-descriptions" | "text-too-long"
  | "bad-bank" | "bank-conflict" | "wrong-encoder" | "wrong-model";

/** Tags, or a list that they are made of, that cannot be used. */
export class VocabularyError extends RamplusError {
  override readonly name = "VocabularyError";
  constructor(
    readonly code: VocabularyErrorCode,
    /** The file at fault, or what stands for it. */
    readonly file: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${file}: ${problem}`, options);
  }
}
