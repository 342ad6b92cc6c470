import { float32, type Tensor } from "../tensor/tensor.js";

/** Weights in 8 bits and the steps that they count in. */
export interface Quantised {
  readonly values: Tensor;
  readonly scale: Tensor;
}

/** W [N, K] as bytes around 128 [N, blocks, blockSize], a scale for each block of a row [N blocks]. */
export function quantiseBlocks(w: Tensor, blockSize: number): Quantised {
  const [N, K] = w.shape as [number, number];
  const { bytes, scale } = quantiseRuns(w.data as Float32Array, K, blockSize);
  return { values: { dtype: "uint8", shape: [N, scale.length / N, blockSize], data: bytes }, scale: float32([scale.length], scale) };
}

/** W [N, K] as integers [K, N] (int8), a scale for each column [N]. */
export function quantiseColumns(w: Tensor): Quantised {
  const [N, K] = w.shape as [number, number];
  const { bytes, scale } = quantiseRuns(w.data as Float32Array, K, K);
  const values = new Int8Array(K * N);
  for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) values[k * N + n] = bytes[n * K + k]! - 128;
  return { values: { dtype: "int8", shape: [K, N], data: values }, scale: float32([N], scale) };
}

/** The rows of a table, of the given width, as bytes around 128 [rows, width], a scale for each row. */
export function quantiseRows(table: Tensor, width: number): Quantised {
  const { bytes, scale } = quantiseRuns(table.data as Float32Array, width, width);
  return { values: { dtype: "uint8", shape: [scale.length, width], data: bytes }, scale: float32([scale.length], scale) };
}

/** Sums over the rows of W [N, K]: [N]. */
export function rowSums(w: Tensor): Tensor {
  const [N, K] = w.shape as [number, number];
  return float32([N], Array.from({ length: N }, (_, n) => (w.data as Float32Array).subarray(n * K, (n + 1) * K).reduce((sum, v) => sum + v, 0)));
}

/** Values that lie in rows of length K, as bytes around 128 with a scale for each run of `length` in a row; a row's last run is filled up with 128. */
function quantiseRuns(data: Float32Array, K: number, length: number): { bytes: Uint8Array; scale: Float32Array } {
  const runs = Math.ceil(K / length);
  const rows = data.length / K;
  const bytes = new Uint8Array(rows * runs * length).fill(128);
  const scale = new Float32Array(rows * runs);
  for (let row = 0, run = 0; row < rows; row++) {
    for (let start = row * K; start < (row + 1) * K; start += length, run++) {
      const end = Math.min(start + length, (row + 1) * K);
      const unit = unitOf(data, start, end);
      scale[run] = unit;
      for (let i = start; i < end; i++) bytes[run * length + i - start] = 128 + Math.round(data[i]! / unit);
    }
  }
  return { bytes, scale };
}

/** The step of which 127 reach the largest magnitude of some values; where all are 0, any. */
function unitOf(data: Float32Array, start: number, end: number): number {
  let largest = 0;
  for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(data[i]!));
  return Math.fround(largest / 127) || 1;
}
