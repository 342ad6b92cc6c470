import { castTensor } from "../tensor/cast.js";
import { bfloatsToFloats, halfToFloat } from "../tensor/half.js";
import type { Tensor } from "../tensor/tensor.js";

let halves: Float32Array | undefined;

/** The values as float32: exact from float16 and bfloat16, the nearest from float64 and integers. A float32 tensor is returned as it is. */
export function toFloat32(t: Tensor): Tensor<"float32"> {
  switch (t.dtype) {
    case "float16": {
      // A table: label embeddings have 120 million values.
      const table = (halves ??= Float32Array.from({ length: 65536 }, (_, bits) => halfToFloat(bits)));
      const from = t.data as Uint16Array;
      const data = new Float32Array(from.length);
      for (let i = 0; i < data.length; i++) data[i] = table[from[i]!]!;
      return { dtype: "float32", shape: t.shape, data };
    }
    case "bfloat16":
      return { dtype: "float32", shape: t.shape, data: bfloatsToFloats(t.data as Uint16Array) };
    default:
      return castTensor(t, "float32");
  }
}
