import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { assertWeightsMatch } from "../checkpoint/match-weights.js";
import { openCheckpoint } from "../checkpoint/open-checkpoint.js";
import { isIgnoredBuffer, withPublishedNames } from "../checkpoint/published-names.js";
import { resizeRelativePositionTable } from "../checkpoint/relative-position-table.js";
import { toFloat32 } from "../checkpoint/to-float32.js";
import type { Precision } from "../bundle/model-config.js";
import { writeCard } from "../bundle/model-folder.js";
import { Params } from "../graph/params.js";
import { blockWindow, type RamConfig } from "../model/config.js";
import { ramGraphs } from "../model/ram-plus.js";
import { packageRoot, packageVersion } from "../package-info.js";
import type { Shape } from "../tensor/shape.js";
import type { ImageInput } from "../tagger/image-input.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Tag } from "../vocab/tag.js";
import { readTextList, readThresholdList, tagsFromLists } from "../vocab/text-lists.js";
import { configFromShapes } from "./config-from-shapes.js";
import { checkPrecisions, type PrecisionCheck } from "./check-precisions.js";
import { ConvertError } from "./convert-error.js";
import { modelCard } from "./model-card.js";
import { writeModel } from "./write-model.js";

export interface ConvertOptions {
  /** Files of the tag lists, one entry a line. @default the published lists, for 4,585 tags */
  readonly tags?: string;
  /** @default the English names, where --tags is given */
  readonly tagsZh?: string;
  /** @default 0.68 for every tag, where --tags is given, as in the reference */
  readonly thresholds?: string;
  /** Side of the input in pixels. @default read off the file's masks, else 384 */
  readonly imageSize?: number;
  /** Window of the attention; position tables of another window are resized. @default that of the tables */
  readonly window?: number;
  /** Attention heads of the tagging head. @default 4 */
  readonly heads?: number;
  /** Precisions of the graphs; the first is the one that is used unless another is asked for. @default ["fp32"] */
  readonly dtypes?: readonly Precision[];
  /** Photos on which each precision is compared with fp32; the figures go into the model card. @default none */
  readonly check?: readonly ImageInput[];
  readonly signal?: AbortSignal;
}

/** What a conversion made. */
export interface ConvertResult {
  readonly folder: string;
  readonly model: RamConfig;
  /** Values of all weights. */
  readonly parameters: number;
  /** Tensors of the file that tagging does not need. */
  readonly ignored: readonly string[];
  /** What each precision costs; null where no photos were given. */
  readonly checks: readonly PrecisionCheck[] | null;
}

const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
const symmetric = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const;

/**
 * Converts a checkpoint (.pth or .safetensors, told by content) to a model folder. Throws a CheckpointError naming every
 * missing, unexpected and misshapen tensor, a ConvertError where options and shapes do not fit, a VocabularyError for the lists.
 */
export async function convertCheckpoint(file: string, out: string, options: ConvertOptions = {}): Promise<ConvertResult> {
  const { dtypes = ["fp32"], check, signal } = options;
  if (dtypes.length === 0) throw new ConvertError("bad-option", "no precision to convert to");
  await using opened = await openCheckpoint(file);
  const checkpoint = withPublishedNames(opened);
  const shapes = new Map([...checkpoint.tensors].map(([name, { shape }]) => [name, shape]));
  const lists = options.tags === undefined ? null : await readTagLists(options);
  const model = configFromShapes(file, shapes, { ...options, ...{ tags: lists?.length ?? undefined } } as Parameters<typeof configFromShapes>[2]);
  const tags = lists ?? (await publishedTags(file, model));
  const expected = expectedShapes(model);
  const resized = tablesToResize(checkpoint, model, expected, options.window);
  const found = { file, tensors: new Map([...checkpoint.tensors].map(([name, stored]) => [name, resized.has(name) ? { dtype: stored.dtype, shape: expected.get(name)! } : stored])) };
  assertWeightsMatch(found, expected, { ignore: isIgnoredBuffer });
  const weights = async (name: string): Promise<Tensor> => {
    signal?.throwIfAborted();
    const tensor = toFloat32(await checkpoint.tensors.get(name)!.read());
    return resized.has(name) ? resizeTable(tensor, expected.get(name)!) : tensor;
  };
  const normalisation = model.encoder.kind === "swin" ? imageNet : symmetric;
  const version = packageVersion();
  const preprocessor = { size: model.encoder.imageSize, ...normalisation };
  const parts = { model, weights, tags, preprocessor, madeBy: `ramplus ${version}` };
  await writeModel(out, { ...parts, dtypes, card: modelCard(model, version, dtypes, null) });
  let checks: PrecisionCheck[] | null = null;
  if (check !== undefined) {
    const exact = dtypes.includes("fp32") ? out : `${out}.fp32.part`;
    try {
      if (exact !== out) await writeModel(exact, { ...parts, dtypes: ["fp32"], card: "" });
      checks = await checkPrecisions(out, dtypes, exact, check, signal === undefined ? {} : { signal });
    } finally {
      if (exact !== out) await rm(exact, { recursive: true, force: true });
    }
    await writeCard(out, modelCard(model, version, dtypes, checks));
  }
  return {
    folder: out,
    model,
    parameters: [...expected.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0),
    ignored: [...checkpoint.tensors.keys()].filter((name) => !expected.has(name)),
    checks,
  };
}

/** Names and shapes of a network's tensors. */
export function expectedShapes(model: RamConfig): Map<string, Shape> {
  const p = Params.root();
  ramGraphs(p, model);
  return new Map(p.list().map(({ name, shape }) => [name, shape]));
}

async function readTagLists({ tags, tagsZh, thresholds }: ConvertOptions): Promise<Tag[]> {
  const en = await readTextList(tags!);
  const zh = tagsZh === undefined ? en : await readTextList(tagsZh);
  // The reference's threshold where it has no list.
  const values = thresholds === undefined ? en.map(() => 0.68) : await readThresholdList(thresholds);
  return tagsFromLists(en, zh, values);
}

async function publishedTags(file: string, model: RamConfig): Promise<Tag[]> {
  if (model.tags !== 4585) throw new ConvertError("tags-needed", `${file}: has ${model.tags} tags, not the published 4,585: give their names with --tags`);
  const list = (name: string): string => join(packageRoot(), "models", "published", name);
  return tagsFromLists(await readTextList(list("ram_tag_list.txt")), await readTextList(list("ram_tag_list_chinese.txt")), await readThresholdList(list("ram_tag_list_threshold.txt")));
}

/** Position tables that are not of the wanted window's size. Without --window there are none: another size is a fault then. */
function tablesToResize(checkpoint: Checkpoint, model: RamConfig, expected: ReadonlyMap<string, Shape>, window: number | undefined): Set<string> {
  const names = new Set<string>();
  if (window === undefined || model.encoder.kind !== "swin") return names;
  const encoder = model.encoder;
  encoder.depths.forEach((depth, stage) => {
    for (let block = 0; block < depth; block++) {
      const name = `visual_encoder.layers.${stage}.blocks.${block}.attn.relative_position_bias_table`;
      const stored = checkpoint.tensors.get(name);
      if (stored === undefined || stored.shape[0] === expected.get(name)![0]) continue;
      const [from, to] = [Math.sqrt(stored.shape[0]!), 2 * blockWindow(encoder, stage, block).window - 1];
      if (!Number.isInteger(from) || from % 2 === 0 || from < 5 || to < 5) throw new ConvertError("bad-option", `${checkpoint.file}: ${name} [${stored.shape.join(", ")}] cannot be resized to window ${window}: both windows must be 3 or more`);
      names.add(name);
    }
  });
  return names;
}

function resizeTable(table: Tensor<"float32">, target: Shape): Tensor<"float32"> {
  const [from, to] = [Math.sqrt(table.shape[0]!), Math.sqrt(target[0]!)];
  return { dtype: "float32", shape: target, data: resizeRelativePositionTable(table.data, from, to, target[1]!) };
}
