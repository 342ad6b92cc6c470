import type { Tensor } from "../../src/tensor/tensor.js";
import { allocate, type DType } from "../../src/tensor/dtype.js";
import { elementCount, type Shape } from "../../src/tensor/shape.js";

/** A generator of numbers in [0, 1) from a seed (mulberry32), enough for test data. */
export function testRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A tensor of uniform values in [low, high). */
export function randomTensor(random: () => number, dtype: DType, shape: Shape, low = -1, high = 1): Tensor {
  const data = allocate(dtype, elementCount(shape)) as Float64Array;
  for (let i = 0; i < data.length; i++) data[i] = low + (high - low) * random();
  return { dtype, shape, data } as Tensor;
}
