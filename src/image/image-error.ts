import { RamplusError } from "../error.js";

export type ImageErrorCode =
  | "image-not-found"
  | "image-not-a-file"
  | "image-unreadable"
  | "image-empty"
  | "image-unknown-format"
  | "image-unsupported-format"
  | "image-corrupt"
  | "image-too-large"
  | "image-decoder-missing";

/** A photo that cannot be read. */
export class ImageError extends RamplusError {
  override readonly name = "ImageError";
  constructor(
    readonly code: ImageErrorCode,
    /** The file, or what stands for it. */
    readonly file: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${file}: ${problem}`, options);
  }
}
