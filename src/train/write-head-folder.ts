import { existsSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeBackground } from "../bundle/background.js";
import type { ModelConfig } from "../bundle/model-config.js";
import { bankGraphFile, graphFiles, writeModelFolder, type ModelFolder } from "../bundle/model-folder.js";
import { inferenceGraph } from "../convert/inference-graph.js";
import { Params } from "../graph/params.js";
import type { RamConfig } from "../model/config.js";
import { bankGraph, ramGraphs } from "../model/ram-plus.js";
import { writeOnnx, type WrittenWeights } from "../onnx/write-onnx.js";
import { packageVersion } from "../package-info.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import type { Tag } from "../vocab/tag.js";
import type { TokenCache } from "./token-cache.js";

/** A model folder with the vision graph of another and a head of its own. */
export async function writeHeadFolder(target: string, from: ModelFolder, dtype: "fp32" | "fp16", model: RamConfig, tags: readonly Tag[], weights: ReadonlyMap<string, Tensor>): Promise<void> {
  await mkdir(join(target, "onnx"), { recursive: true });
  const [given, files] = [graphFiles(from.folder, dtype), graphFiles(target, dtype)];
  for (const suffix of ["", ".data"]) if (existsSync(given.vision + suffix)) await copyFile(given.vision + suffix, files.vision + suffix);
  const p = Params.root();
  const written: WrittenWeights = new Map();
  for (const [file, outputs] of [
    [files.tagging, ramGraphs(p, model).tagging],
    [bankGraphFile(target, dtype), bankGraph(p, model)],
  ] as const) {
    const ready = inferenceGraph({ ...outputs }, (name) => weights.get(name)!, dtype);
    await writeOnnx(file, ready.outputs, ready.weights, written);
  }
  const madeBy = `ramplus ${packageVersion()}`;
  const config: ModelConfig = { ...from.config, madeBy, dtypes: [dtype], defaultDtype: dtype, network: { ...model } };
  await writeModelFolder({ folder: target, config, preprocessor: from.preprocessor, tags }, `# ${target.split("/").at(-2)}\n\nThe head was trained further by ${madeBy}.\n`);
}

/** Photos whose embeddings a model folder carries. */
const backgroundPhotos = 96;

/** Embeddings of some of these photos, so that tags can be taught with nothing but photos that show them. */
export async function addBackground(folder: string, cache: TokenCache, positions: Int32Array): Promise<void> {
  const stride = Math.max(1, Math.ceil(positions.length / backgroundPhotos));
  const features: Tensor<"float32">[] = [];
  for (let i = 0; i < positions.length; i += stride) {
    const data = new Float32Array(cache.shape[0] * cache.shape[1]);
    await cache.read(positions[i]!, data, 0);
    features.push(float32([...cache.shape], data));
  }
  await writeBackground(folder, features);
}
