import type { Pixels } from "./pixels.js";

/** Fixed-point weights of one axis: for output `i`, `length[i]` samples from `start[i]`, weights at `i * stride`. */
interface AxisWeights {
  readonly start: Int32Array;
  readonly length: Int32Array;
  readonly weights: Int32Array;
  readonly stride: number;
}

/** 32 - 8 - 2 bits, as Pillow has them. */
const precision = 22;
const half = 1 << (precision - 1);

/** Pillow's antialiased bilinear filter for one axis, to the last bit: every step in the reference's order. */
function axisWeights(inputs: number, outputs: number): AxisWeights {
  const scale = inputs / outputs;
  const stretch = Math.max(scale, 1);
  const inverse = 1 / stretch;
  const stride = Math.ceil(stretch) * 2 + 1;
  const start = new Int32Array(outputs);
  const length = new Int32Array(outputs);
  const weights = new Int32Array(outputs * stride);
  const row = new Float64Array(stride);
  for (let i = 0; i < outputs; i++) {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - stretch + 0.5));
    const end = Math.min(inputs, Math.trunc(centre + stretch + 0.5));
    let sum = 0;
    for (let j = first; j < end; j++) {
      // Multiplied by the reciprocal, not divided: the last bit may differ.
      const t = Math.abs((j - centre + 0.5) * inverse);
      row[j - first] = t < 1 ? 1 - t : 0;
      sum += row[j - first]!;
    }
    start[i] = first;
    length[i] = end - first;
    for (let j = 0; j < end - first; j++) weights[i * stride + j] = Math.trunc((row[j]! / sum) * (1 << precision) + 0.5);
  }
  return { start, length, weights, stride };
}

/** Rows looked at together in the vertical pass. */
const band = 1024;
/** Bytes that the horizontal pass may keep (128 MiB; all of a photo of 100,000 rows): one of few columns and a million rows grows by it, to gigabytes. */
const keptRows = 2 ** 27;

const clip8 = (v: number): number => (v < 0 ? 0 : v > 255 ? 255 : v);

function resizeRows(source: Uint8Array, width: number, height: number, outputs: number): Uint8Array {
  const { start, length, weights, stride } = axisWeights(width, outputs);
  const out = new Uint8Array(outputs * height * 3);
  let q = 0;
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < outputs; i++) {
      let p = (y * width + start[i]!) * 3;
      const end = i * stride + length[i]!;
      let [r, g, b] = [half, half, half];
      // imul and |0 tell the compiler that no sum exceeds 32 bits, which makes this a third faster.
      for (let k = i * stride; k < end; k++, p += 3) {
        const w = weights[k]!;
        r = (r + Math.imul(source[p]!, w)) | 0;
        g = (g + Math.imul(source[p + 1]!, w)) | 0;
        b = (b + Math.imul(source[p + 2]!, w)) | 0;
      }
      out[q++] = clip8(r >> precision);
      out[q++] = clip8(g >> precision);
      out[q++] = clip8(b >> precision);
    }
  }
  return out;
}

/** Gives source rows `from` to `to`. */
type RowsBetween = (from: number, to: number) => Uint8Array;

function resizeColumns(rowsBetween: RowsBetween, width: number, height: number, outputs: number): Uint8Array {
  const { start, length, weights, stride } = axisWeights(height, outputs);
  const line = width * 3;
  const out = new Uint8Array(outputs * line);
  const sums = new Int32Array(line);
  for (let i = 0; i < outputs; i++) {
    sums.fill(half);
    for (let done = 0; done < length[i]!; done += band) {
      const count = Math.min(band, length[i]! - done);
      const rows = rowsBetween(start[i]! + done, start[i]! + done + count);
      for (let j = 0; j < count; j++) {
        const w = weights[i * stride + done + j]!;
        const from = j * line;
        for (let x = 0; x < line; x++) sums[x] = sums[x]! + Math.imul(rows[from + x]!, w);
      }
    }
    const to = i * line;
    for (let x = 0; x < line; x++) out[to + x] = clip8(sums[x]! >> precision);
  }
  return out;
}

/**
 * Resizes to `width` x `height` without keeping the aspect ratio, byte for byte as Pillow's bilinear filter does
 * (antialiased when reducing; horizontal pass first, rounded to 8 bits; an axis that keeps its size is not touched).
 */
export function resizeBilinear(pixels: Pixels, width: number, height: number): Pixels {
  const part = (data: Uint8Array, line: number): RowsBetween => (from, to) => data.subarray(from * line, to * line);
  const stored = part(pixels.data, pixels.width * 3);
  const resized: RowsBetween = pixels.width === width ? stored : (from, to) => resizeRows(stored(from, to), pixels.width, to - from, width);
  if (pixels.height === height) return { width, height, data: pixels.width === width ? pixels.data.slice() : resized(0, height) };
  // Made once where that is not much, else again for each output row that looks at them: two.
  const rows = pixels.height * width * 3 > keptRows ? resized : part(resized(0, pixels.height), width * 3);
  return { width, height, data: resizeColumns(rows, width, pixels.height, height) };
}
