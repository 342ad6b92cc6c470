/** A decoded photo: 8-bit RGB, interleaved, rows from the top. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** `width * height * 3` samples. */
  readonly data: Uint8Array;
}
