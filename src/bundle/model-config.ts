import { showJson } from "../json.js";
import { BundleError } from "./bundle-error.js";

/** Precision of a model's graphs, named as in transformers.js. */
export type Precision = "fp32" | "fp16" | "q8";

export const precisions: readonly Precision[] = ["fp32", "fp16", "q8"];

/** Ending of the graphs' names at each precision. */
export const precisionSuffix: Readonly<Record<Precision, string>> = { fp32: "", fp16: "_fp16", q8: "_quantized" };

/** Version of the folder's form that this release writes, and the only one that it reads. */
export const formatVersion = 1;

/** `config.json` of a model folder. */
export interface ModelConfig {
  readonly modelType: "ram_plus" | "ram";
  readonly formatVersion: number;
  /** Program and version that wrote the folder. */
  readonly madeBy: string;
  /** Precisions that the folder holds; the first is used unless another is asked for. */
  readonly dtypes: readonly Precision[];
  readonly defaultDtype: Precision;
  /** Sizes of the network, as its definition names them; for people and for training on, not needed to tag. */
  readonly network: Readonly<Record<string, unknown>>;
}

/** `preprocessor_config.json`: what happens to a photo before the network. */
export interface PreprocessorConfig {
  /** Side of the square input, in pixels. */
  readonly size: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** Reads `config.json`. Throws a BundleError naming what is wrong. */
export function parseModelConfig(json: unknown, file: string): ModelConfig {
  if (!isObject(json)) throw new BundleError("bad-config", file, "expected an object");
  const { model_type, format_version, made_by, dtypes, default_dtype, network } = json;
  const maker = typeof made_by === "string" ? made_by.slice(0, 100) : "an unknown program";
  if (model_type !== "ram_plus" && model_type !== "ram") throw new BundleError("bad-config", file, `model_type ${showJson(model_type)}: expected "ram_plus" or "ram"; a model folder is made by \`ramplus convert\``);
  if (format_version !== formatVersion) throw new BundleError("bad-version", file, `format_version ${showJson(format_version)}, made by ${maker}: this release reads version ${formatVersion}; convert the checkpoint again, or install the release that made it`);
  const list = Array.isArray(dtypes) ? dtypes.map((dtype: unknown) => precisions.find((p) => p === dtype)) : [];
  const known = list.flatMap((dtype) => dtype ?? []);
  if (known.length === 0 || known.length !== list.length || new Set(known).size !== known.length) throw new BundleError("bad-config", file, `dtypes ${showJson(dtypes)}: expected a list out of ${precisions.join(", ")}, each once`);
  const defaultDtype = known.find((dtype) => dtype === default_dtype);
  if (defaultDtype === undefined) throw new BundleError("bad-config", file, `default_dtype ${showJson(default_dtype)}: expected one of ${known.join(", ")}`);
  return { modelType: model_type, formatVersion, madeBy: maker, dtypes: known, defaultDtype, network: isObject(network) ? network : {} };
}

export function serialiseModelConfig(c: ModelConfig): string {
  const { modelType, madeBy, dtypes, defaultDtype, network } = c;
  return `${JSON.stringify({ model_type: modelType, format_version: c.formatVersion, made_by: madeBy, dtypes, default_dtype: defaultDtype, network }, null, 2)}\n`;
}

/** What this package does to a photo, by Hugging Face's fields; a folder that asks for anything else would be tagged wrongly. */
const preprocessing: Readonly<Record<string, unknown>> = {
  do_resize: true,
  do_rescale: true,
  do_normalize: true,
  do_center_crop: false,
  do_pad: false,
  // Pillow's number of the bilinear filter.
  resample: 2,
};

/** Reads `preprocessor_config.json` in Hugging Face's words. Throws a BundleError naming what is wrong. */
export function parsePreprocessorConfig(json: unknown, file: string): PreprocessorConfig {
  if (!isObject(json)) throw new BundleError("bad-config", file, "expected an object");
  for (const [key, value] of Object.entries(preprocessing)) {
    if (json[key] !== undefined && json[key] !== value) throw new BundleError("bad-config", file, `${key} ${showJson(json[key])}: this release does ${JSON.stringify(value)} only`);
  }
  const rescale = json["rescale_factor"];
  if (rescale !== undefined && !(typeof rescale === "number" && Math.abs(rescale * 255 - 1) < 1e-3)) throw new BundleError("bad-config", file, `rescale_factor ${showJson(rescale)}: this release does 1 / 255 only`);
  const size = isObject(json["size"]) ? json["size"] : {};
  const [height, width] = [size["height"], size["width"]];
  if (typeof height !== "number" || height !== width || !Number.isInteger(height) || height < 1 || height > 4096) throw new BundleError("bad-config", file, `size ${showJson(json["size"])}: expected equal height and width of 1 to 4096`);
  const triple = (key: string): [number, number, number] => {
    const value = json[key];
    if (!Array.isArray(value) || value.length !== 3 || !value.every((v) => typeof v === "number" && Number.isFinite(v) && (key === "image_mean" || v > 0))) throw new BundleError("bad-config", file, `${key} ${showJson(value)}: expected three numbers`);
    return value as [number, number, number];
  };
  return { size: height, mean: triple("image_mean"), std: triple("image_std") };
}

export function serialisePreprocessorConfig({ size, mean, std }: PreprocessorConfig): string {
  const json = {
    image_processor_type: "ViTImageProcessor",
    do_resize: true,
    size: { height: size, width: size },
    resample: 2,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}
