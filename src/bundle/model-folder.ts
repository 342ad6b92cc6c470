import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseJson } from "../json.js";
import { writeWhole } from "../write-whole.js";
import type { Tag } from "../vocab/tag.js";
import { parseTags, serialiseTags } from "../vocab/tag-list.js";
import { VocabularyError } from "../vocab/vocabulary-error.js";
import { BundleError } from "./bundle-error.js";
import { parseModelConfig, parsePreprocessorConfig, precisionSuffix, serialiseModelConfig, serialisePreprocessorConfig, type ModelConfig, type Precision, type PreprocessorConfig } from "./model-config.js";

/** The two graphs of a model at one precision, as paths. */
export interface GraphFiles {
  /** `pixel_values` [batch, 3, S, S] to `image_embeds` [batch, rows, W]. */
  readonly vision: string;
  /** `image_embeds` to `logits` [batch, T]. */
  readonly tagging: string;
}

/** A model folder that was read and checked. */
export interface ModelFolder {
  readonly folder: string;
  readonly config: ModelConfig;
  readonly preprocessor: PreprocessorConfig;
  readonly tags: readonly Tag[];
}

/** Tags of 4,585 names take half a megabyte; a JSON's values in memory may take ten times its text. */
const largestJson = 64 * 1024 * 1024;

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    const info = await stat(file);
    // A pipe or device has no size and may never end.
    if (!info.isFile()) throw new BundleError("missing-file", file, "is no regular file");
    if (info.size > largestJson) throw new BundleError("bad-config", file, `is larger than ${largestJson} bytes`);
    text = await readFile(file, "utf8");
  } catch (cause) {
    if (cause instanceof BundleError) throw cause;
    throw new BundleError("missing-file", file, "cannot be read; a model folder holds config.json, preprocessor_config.json, tags.json and onnx/", { cause });
  }
  try {
    return parseJson(text);
  } catch (cause) {
    throw new BundleError("bad-config", file, `is not JSON: ${(cause as Error).message}`, { cause });
  }
}

/** Tags of a model; what is wrong with them is the folder's fault. */
function readTags(json: unknown, file: string): Tag[] {
  try {
    return parseTags(json, file);
  } catch (cause) {
    if (cause instanceof VocabularyError) throw new BundleError("bad-tags", file, cause.message.slice(file.length + 2), { cause });
    throw cause;
  }
}

/** Where the graphs of a precision lie: names are fixed, so nothing that a folder says can lead out of it. */
export function graphFiles(folder: string, dtype: Precision): GraphFiles {
  const suffix = precisionSuffix[dtype];
  return { vision: join(folder, "onnx", `vision_model${suffix}.onnx`), tagging: join(folder, "onnx", `tagging_model${suffix}.onnx`) };
}

/**
 * The graph of a precision that takes tags as inputs: `image_embeds` [batch, rows, W] and the rows of a bank to `logits`.
 * Folders written before there were banks lack it.
 */
export function bankGraphFile(folder: string, dtype: Precision): string {
  return join(folder, "onnx", `bank_model${precisionSuffix[dtype]}.onnx`);
}

/** Reads and checks a model folder. Throws a BundleError naming the file that is wrong. */
export async function readModelFolder(folder: string): Promise<ModelFolder> {
  const info = await stat(folder).catch(() => null);
  if (info === null || !info.isDirectory()) throw new BundleError("model-not-found", folder, "is not a model folder; `ramplus convert` makes one from a checkpoint");
  const file = (name: string): string => join(folder, name);
  const config = parseModelConfig(await readJson(file("config.json")), file("config.json"));
  const preprocessor = parsePreprocessorConfig(await readJson(file("preprocessor_config.json")), file("preprocessor_config.json"));
  const tags = readTags(await readJson(file("tags.json")), file("tags.json"));
  for (const dtype of config.dtypes) {
    for (const graph of Object.values(graphFiles(folder, dtype))) {
      const found = await stat(graph).catch(() => null);
      if (found === null || !found.isFile()) throw new BundleError("missing-file", graph, `is missing, although config.json names the precision ${dtype}`);
    }
  }
  return { folder, config, preprocessor, tags };
}

/** The precision to run: the one asked for, else the folder's default. Throws a BundleError where the folder has it not. */
export function choosePrecision({ folder, config }: ModelFolder, wanted?: Precision): Precision {
  if (wanted === undefined) return config.defaultDtype;
  if (!config.dtypes.includes(wanted)) throw new BundleError("dtype-unavailable", folder, `has no ${wanted} graphs; it has ${config.dtypes.join(", ")}`);
  return wanted;
}

/** Writes a model's card, README.md. */
export async function writeCard(folder: string, card: string): Promise<void> {
  await writeWhole(join(folder, "README.md"), card);
}

/** Writes everything of a model folder but its graphs, which must lie in `onnx/` already: `config.json` comes last and makes the folder whole. */
export async function writeModelFolder({ folder, config, preprocessor, tags }: ModelFolder, card: string): Promise<void> {
  await mkdir(join(folder, "onnx"), { recursive: true });
  await writeWhole(join(folder, "preprocessor_config.json"), serialisePreprocessorConfig(preprocessor));
  await writeWhole(join(folder, "tags.json"), serialiseTags(tags));
  await writeCard(folder, card);
  await writeWhole(join(folder, "config.json"), serialiseModelConfig(config));
}
