import { allocate, type DType } from "./dtype.js";
import { bfloatsToFloats, floatsToHalves, halvesToFloats } from "./half.js";
import type { Tensor } from "./tensor.js";

function numbers(x: Tensor): ArrayLike<number> {
  switch (x.dtype) {
    case "float16":
      return halvesToFloats(x.data as Uint16Array);
    case "bfloat16":
      return bfloatsToFloats(x.data as Uint16Array);
    case "int64":
      return Array.from(x.data as BigInt64Array, Number);
    default:
      return x.data as Float32Array;
  }
}

/** The tensor with its values converted; integers are cut towards zero, bool is "not zero". Throws a RangeError for bfloat16 targets. */
export function castTensor<D extends DType>(x: Tensor, dtype: D): Tensor<D> {
  if ((x.dtype as DType) === dtype) return x as Tensor<D>;
  const from = numbers(x);
  const make = (data: unknown): Tensor<D> => ({ dtype, shape: x.shape, data }) as Tensor<D>;
  switch (dtype as DType) {
    case "float16":
      return make(floatsToHalves(Float32Array.from(from)));
    case "bfloat16":
      throw new RangeError("conversion to bfloat16 is not supported");
    case "int64":
      return make(BigInt64Array.from({ length: from.length }, (_, i) => BigInt(Math.trunc(from[i]!))));
    case "bool":
      return make(Uint8Array.from(from, (v) => (v !== 0 ? 1 : 0)));
    default: {
      const out = allocate(dtype, from.length) as Float64Array;
      out.set(from);
      return make(out);
    }
  }
}
