import { writeModel } from "../src/convert/write-model.js";
import type { RamConfig } from "../src/model/config.js";
import { initialWeights } from "../src/train/initial-weights.js";
import type { Tag } from "../src/vocab/tag.js";

export const smallConfig: RamConfig = {
  modelType: "ram_plus",
  encoder: { kind: "mobilenet_v2", imageSize: 32 },
  textWidth: 16,
  tags: 6,
  descriptions: 2,
  head: { width: 16, layers: 1, heads: 2, intermediate: 32 },
  similarity: true,
};

export const smallTags: readonly Tag[] = ["dog", "cat, \"big\"", "tree", "car", "sky", "never"].map((en, id) => ({ id, en, zh: `标签${id} `, threshold: en === "never" ? null : 0.5 }));

/** Writes a model folder with fresh weights: its tags mean nothing, its form is that of every model. */
export async function writeSmallModel(folder: string): Promise<void> {
  const weights = initialWeights(smallConfig, 3);
  // Near 0, so that some of the tags fire.
  (weights.get("similarity_bias")!.data as Float32Array).set([2, 1, -1, 3, -2, 5]);
  await writeModel(folder, {
    model: smallConfig,
    weights: (name) => weights.get(name)!,
    tags: smallTags,
    preprocessor: { size: 32, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
    dtypes: ["fp32"],
    card: "# Small\n",
    madeBy: "ramplus tests",
  });
}
