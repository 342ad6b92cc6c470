import type { Pixels } from "./pixels.js";

/**
 * smooth + `factor` * (photo - smooth) in float32, clipped, fraction cut off; smooth is the mean of 3 x 3 samples, the middle one
 * five times. 0 is smooth, 1 the photo, more is sharper; the one-pixel border stays. The reference lets values outside of
 * 0..255 wrap around, which makes specks; here they are clipped.
 */
export function sharpness({ width, height, data }: Pixels, factor: number): Pixels {
  const out = data.slice();
  if (factor === 1) return { width, height, data: out };
  const [f, amount] = [Math.fround, Math.fround(factor)];
  const line = width * 3;
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * line + 3; i < (y + 1) * line - 3; i++) {
      const sum =
        data[i - line - 3]! + data[i - line]! + data[i - line + 3]! + data[i - 3]! + 5 * data[i]! + data[i + 3]! + data[i + line - 3]! + data[i + line]! + data[i + line + 3]!;
      const smooth = Math.round(sum / 13);
      const value = f(smooth + f(amount * (data[i]! - smooth)));
      out[i] = value < 0 ? 0 : value > 255 ? 255 : Math.trunc(value);
    }
  }
  return { width, height, data: out };
}
