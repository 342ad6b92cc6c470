import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { ModelConfig, Precision, PreprocessorConfig } from "../bundle/model-config.js";
import { formatVersion } from "../bundle/model-config.js";
import { bankGraphFile, graphFiles, writeModelFolder } from "../bundle/model-folder.js";
import { Params } from "../graph/params.js";
import type { RamConfig } from "../model/config.js";
import { bankGraph, ramGraphs } from "../model/ram-plus.js";
import { writeOnnx, type Weights, type WrittenWeights } from "../onnx/write-onnx.js";
import type { Tag } from "../vocab/tag.js";
import { inferenceGraph } from "./inference-graph.js";
import { smoothNorms } from "./smooth-norms.js";

/** What a model folder is made of. */
export interface ModelParts {
  readonly model: RamConfig;
  /** The checkpoint's tensors by name, as float32. */
  readonly weights: Weights;
  readonly tags: readonly Tag[];
  readonly preprocessor: PreprocessorConfig;
  readonly dtypes: readonly Precision[];
  /** Text of the model card, README.md. */
  readonly card: string;
  /** Program and version, for config.json. */
  readonly madeBy: string;
}

/** Writes a model folder: the vision and the tagging graph at each precision, the latter for the model's own tags and for any, configuration, tags and card. */
export async function writeModel(folder: string, { model, weights, tags, preprocessor, dtypes, card, madeBy }: ModelParts): Promise<void> {
  await mkdir(join(folder, "onnx"), { recursive: true });
  for (const dtype of dtypes) {
    const p = Params.root();
    const graphs = ramGraphs(p, model);
    const own = dtype === "q8" ? smoothNorms(weights, p.list().map(({ name }) => name)) : weights;
    const files = graphFiles(folder, dtype);
    // The head is the same with any tags: its weights are kept once.
    const written: WrittenWeights = new Map();
    for (const [file, outputs] of [
      [files.vision, graphs.vision],
      [files.tagging, graphs.tagging],
      [bankGraphFile(folder, dtype), bankGraph(p, model)],
    ] as const) {
      const ready = inferenceGraph(outputs, own, dtype);
      await writeOnnx(file, ready.outputs, ready.weights, written);
    }
  }
  const config: ModelConfig = { modelType: model.modelType, formatVersion, madeBy, dtypes, defaultDtype: dtypes[0]!, network: { ...model } };
  await writeModelFolder({ folder, config, preprocessor, tags }, card);
}
