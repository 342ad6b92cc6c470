import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatVersion, type Precision } from "../src/bundle/model-config.js";
import { graphFiles, writeModelFolder } from "../src/bundle/model-folder.js";
import { add } from "../src/graph/ops/elementwise.js";
import { matMul } from "../src/graph/ops/matmul.js";
import { reduceMean } from "../src/graph/ops/reduce.js";
import { reshape, unsqueeze } from "../src/graph/ops/structure.js";
import { constant, input } from "../src/graph/value.js";
import { writeOnnx } from "../src/onnx/write-onnx.js";
import { float32 } from "../src/tensor/tensor.js";
import type { Tag } from "../src/vocab/tag.js";

/** Side of the tiny model's input. */
export const tinySize = 8;

/** Tags of the tiny model; "off" never fires, and "dark" has the names that are hard to print. */
export const tinyTags: readonly Tag[] = [
  { id: 0, en: "red", zh: "红色", threshold: 0.6 },
  { id: 1, en: "green", zh: "绿色", threshold: 0.6 },
  { id: 2, en: "blue", zh: "蓝色", threshold: 0.6 },
  { id: 3, en: "colour", zh: "颜色", threshold: 0.3 },
  { id: 4, en: "off", zh: "关", threshold: null },
  { id: 5, en: 'dark, "very"', zh: "黑暗 ", threshold: 0.6 },
];

/** Logits of a photo of one colour (channels from -1 to 1): channels @ weights + bias. */
export const tinyWeights = {
  byChannel: [
    [4, -4, -4, 0, 9, -4],
    [-4, 4, -4, 0, 9, -4],
    [-4, -4, 4, 0, 9, -4],
  ],
  bias: [-2, -2, -2, 0, 20, -10],
} as const;

interface TinyOptions {
  readonly tags?: readonly Tag[];
  /** Name of the tagging graph's output. @default "logits" */
  readonly output?: string;
  readonly dtypes?: readonly Precision[];
}

/** Writes a model folder whose tags are the colour that a photo has on average: quick to make and to foresee. */
export async function writeTinyModel(folder: string, { tags = tinyTags, output = "logits", dtypes = ["fp32"] }: TinyOptions = {}): Promise<void> {
  await mkdir(join(folder, "onnx"), { recursive: true });
  const image = input("pixel_values", "float32", ["batch", 3, tinySize, tinySize]);
  const embeds = unsqueeze(reduceMean(image, [2, 3]), 1);
  const given = input("image_embeds", "float32", ["batch", 1, 3]);
  const weights = constant(float32([3, 6], tinyWeights.byChannel.flat()));
  const logits = add(matMul(reshape(given, ["batch", 3]), weights), constant(float32([6], tinyWeights.bias)));
  for (const dtype of dtypes) {
    const files = graphFiles(folder, dtype);
    await writeOnnx(files.vision, { image_embeds: embeds }, noParameters);
    await writeOnnx(files.tagging, { [output]: logits }, noParameters);
  }
  const config = { modelType: "ram_plus", formatVersion, madeBy: "ramplus test", dtypes, defaultDtype: dtypes[0]!, network: {} } as const;
  await writeModelFolder({ folder, config, preprocessor: { size: tinySize, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }, tags }, "# tiny\n");
}

function noParameters(): never {
  throw new Error("the tiny model has no parameters");
}

/** A folder that is removed after use. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "ramplus-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
