import { openByteSource } from "../checkpoint/byte-source.js";
import type { StoredTensor } from "../checkpoint/checkpoint.js";
import { CheckpointError } from "../checkpoint/checkpoint-error.js";
import { npyMagic, openNpy } from "../checkpoint/read-npy.js";
import { openSafetensors } from "../checkpoint/read-safetensors.js";
import { toFloat32 } from "../checkpoint/to-float32.js";
import { formatShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { ConvertError } from "./convert-error.js";

/**
 * The array of a .npy or .safetensors file (told by content) as float32. `tensor` names it in a .safetensors file; without it
 * the one called so in `usual`, or the only one. `fits` judges the shape before the values are read. Throws a CheckpointError for a file
 * that cannot be read, a ConvertError for another name or shape and for values that are no numbers.
 */
export async function readArray(file: string, options: { readonly tensor?: string | undefined; readonly usual: readonly string[]; readonly fits: (shape: readonly number[]) => boolean; readonly expected: string }): Promise<Tensor<"float32"> & { readonly name: string }> {
  const source = await openByteSource(file);
  try {
    if (source.size === 0) throw new CheckpointError(file, { code: "not-a-checkpoint", problem: "the file is empty" });
    const isNpy = (await source.read(0, Math.min(6, source.size))).equals(npyMagic);
    if (isNpy && options.tensor !== undefined) throw new ConvertError("bad-option", `--tensor ${options.tensor}: ${file} is a .npy file, which holds one array without a name`);
    const stored = isNpy ? await openNpy(source, "") : chosen(file, (await openSafetensors(source)).tensors, options.tensor, options.usual);
    if (!options.fits(stored.shape)) throw new ConvertError("bad-reference", `${file}: ${stored.name === "" ? "the array" : `tensor ${stored.name}`} has shape ${formatShape(stored.shape)}, expected ${options.expected}`);
    const values = toFloat32(await stored.read());
    const odd = values.data.findIndex((value) => !Number.isFinite(value));
    if (odd >= 0) throw new ConvertError("bad-reference", `${file}: value ${odd} is ${values.data[odd]}, which is no number`);
    return { ...values, name: stored.name };
  } finally {
    await source.close();
  }
}

function chosen(file: string, tensors: ReadonlyMap<string, StoredTensor>, wanted: string | undefined, usual: readonly string[]): StoredTensor {
  const names = [...tensors.keys()];
  const name = wanted ?? usual.find((each) => tensors.has(each)) ?? (names.length === 1 ? names[0]! : undefined);
  const found = name === undefined ? undefined : tensors.get(name);
  if (found !== undefined) return found;
  const list = names.slice(0, 10).join(", ") + (names.length > 10 ? `, and ${names.length - 10} more` : "");
  throw new ConvertError("bad-reference", wanted === undefined ? `${file}: say with --tensor which of its tensors: ${list || "it has none"}` : `${file}: has no tensor ${wanted}; it has ${list || "none"}`);
}
