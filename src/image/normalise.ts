import type { Pixels } from "./pixels.js";

/** Mean and standard deviation of the samples of each channel, R, G, B, on the scale 0..1. */
export interface Normalisation {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/**
 * (byte / 255 - mean) / std in float32, in this order, as planes: [3, height, width]. Written to `out` from `offset` on
 * where given.
 */
export function normalise(pixels: Pixels, { mean, std }: Normalisation, out?: Float32Array, offset = 0): Float32Array {
  const count = pixels.width * pixels.height;
  const target = out ?? new Float32Array(3 * count);
  const f = Math.fround;
  for (let channel = 0; channel < 3; channel++) {
    const table = Float32Array.from({ length: 256 }, (_, byte) => f(f(f(byte / 255) - f(mean[channel]!)) / f(std[channel]!)));
    const base = offset + channel * count;
    for (let i = 0, p = channel; i < count; i++, p += 3) target[base + i] = table[pixels.data[p]!]!;
  }
  return target;
}
