import type { Pixels } from "./pixels.js";

/** Maps input to output pixel coordinates: x' = a x + b y + c, y' = d x + e y + f. */
export type AffineMatrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** The colour outside of the photo, in every channel. */
const outside = 128;

/** To the nearest integer, ties to even. */
function roundEven(v: number): number {
  const floor = Math.floor(v);
  const rest = v - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

function invert([a, b, c, d, e, f]: AffineMatrix): AffineMatrix {
  const scale = 1 / (a * e - b * d);
  const [ia, ib, id, ie] = [e * scale, -b * scale, -d * scale, a * scale];
  return [ia, ib, -ia * c - ib * f, id, ie, -id * c - ie * f];
}

/**
 * The photo moved by an invertible matrix, on a canvas of the same size: bilinear from source positions rounded to 1/32 pixel,
 * as the reference's library does it (OpenCV's warpAffine), to the byte; grey 128 outside, also for neighbours at the edge.
 */
export function transformAffine({ width, height, data }: Pixels, matrix: AffineMatrix): Pixels {
  const [a, b, c, d, e, f] = invert(matrix);
  const out = new Uint8Array(data.length);
  const [columnX, columnY] = [new Int32Array(width), new Int32Array(width)];
  for (let x = 0; x < width; x++) {
    columnX[x] = roundEven(a * x * 1024);
    columnY[x] = roundEven(d * x * 1024);
  }
  const sample = (x: number, y: number, channel: number): number => (x < 0 || y < 0 || x >= width || y >= height ? outside : data[(y * width + x) * 3 + channel]!);
  for (let y = 0, to = 0; y < height; y++) {
    const rowX = roundEven((b * y + c) * 1024) + 16;
    const rowY = roundEven((e * y + f) * 1024) + 16;
    for (let x = 0; x < width; x++) {
      const [fineX, fineY] = [(rowX + columnX[x]!) >> 5, (rowY + columnY[x]!) >> 5];
      const [left, top, right, low] = [fineX >> 5, fineY >> 5, fineX & 31, fineY & 31];
      for (let channel = 0; channel < 3; channel++) {
        const above = sample(left, top, channel) * (32 - right) + sample(left + 1, top, channel) * right;
        const below = sample(left, top + 1, channel) * (32 - right) + sample(left + 1, top + 1, channel) * right;
        out[to++] = (32 * (above * (32 - low) + below * low) + 16384) >> 15;
      }
    }
  }
  return { width, height, data: out };
}

/** x' = x + `amount` y. */
export const shearX = (pixels: Pixels, amount: number): Pixels => transformAffine(pixels, [1, Math.fround(amount), 0, 0, 1, 0]);

/** y' = y + `amount` x. */
export const shearY = (pixels: Pixels, amount: number): Pixels => transformAffine(pixels, [1, 0, 0, Math.fround(amount), 1, 0]);

/** Moved to the left by `distance` pixels. */
export const translateX = (pixels: Pixels, distance: number): Pixels => transformAffine(pixels, [1, 0, -Math.fround(distance), 0, 1, 0]);

/** Moved up by `distance` pixels. */
export const translateY = (pixels: Pixels, distance: number): Pixels => transformAffine(pixels, [1, 0, 0, 0, 1, -Math.fround(distance)]);

/** Turned about (width / 2, height / 2), counter-clockwise on the screen for positive `degrees`. */
export function rotate(pixels: Pixels, degrees: number): Pixels {
  const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const [x, y] = [pixels.width / 2, pixels.height / 2];
  return transformAffine(pixels, [cos, sin, (1 - cos) * x - sin * y, -sin, cos, sin * x + (1 - cos) * y]);
}
