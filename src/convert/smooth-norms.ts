import type { Weights } from "../onnx/write-onnx.js";
import { float32 } from "../tensor/tensor.js";

/** The layer norms of an encoder's blocks and the one product that reads each. */
const readers = [
  [".norm1", ".attn.qkv.weight"],
  [".norm2", ".mlp.fc1.weight"],
] as const;

/** Standard deviations that a norm's output is taken to reach. */
const reach = 3;

/**
 * The same network with smaller outliers before its products: each channel of a layer norm is divided by a factor that the
 * matrix after it is multiplied with (SmoothQuant, Xiao et al. 2022, arXiv 2211.10438, with α = 0.5). How far a channel
 * reaches is read off the norm's own scale and bias, so no photos are needed. `names` are those of the network's weights.
 */
export function smoothNorms(weights: Weights, names: Iterable<string>): Weights {
  const known = new Set(names);
  const change = new Map<string, { norm: string; reader: string; inverse: boolean }>();
  for (const name of known) {
    const found = readers.find(([norm, reader]) => name.endsWith(reader) && known.has(`${name.slice(0, -reader.length)}${norm}.bias`));
    if (found === undefined) continue;
    const norm = name.slice(0, -found[1].length) + found[0];
    change.set(name, { norm, reader: name, inverse: false });
    for (const part of ["weight", "bias"]) change.set(`${norm}.${part}`, { norm, reader: name, inverse: true });
  }
  return async (name) => {
    const tensor = await weights(name);
    const how = change.get(name);
    if (how === undefined) return tensor;
    const values = async (other: string): Promise<Float32Array> => (await weights(other)).data as Float32Array;
    const factors = channelFactors(await values(`${how.norm}.weight`), await values(`${how.norm}.bias`), await values(how.reader));
    return float32(tensor.shape, (tensor.data as Float32Array).map((v, i) => (how.inverse ? v / factors[i]! : v * factors[i % factors.length]!)));
  };
}

/** For each channel sqrt(reach / largest weight of its column), divided by their geometric mean. */
function channelFactors(scale: Float32Array, bias: Float32Array, w: Float32Array): Float32Array {
  const channels = scale.length;
  const column = new Float32Array(channels);
  for (let i = 0; i < w.length; i++) column[i % channels] = Math.max(column[i % channels]!, Math.abs(w[i]!));
  const logs = Float64Array.from(scale, (g, c) => Math.log((reach * Math.abs(g) + Math.abs(bias[c]!)) / column[c]!) / 2);
  const usable = logs.filter(Number.isFinite);
  const mean = usable.reduce((sum, v) => sum + v, 0) / Math.max(1, usable.length);
  // A channel that is always 0, or that nothing reads, keeps its scale.
  return Float32Array.from(logs, (v) => (Number.isFinite(v) ? Math.exp(v - mean) : 1));
}
