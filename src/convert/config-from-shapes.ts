import type { RamConfig, EncoderConfig } from "../model/config.js";
import type { Shape } from "../tensor/shape.js";
import { ConvertError } from "./convert-error.js";

/** What shapes do not tell. */
export interface ShapeHints {
  /** Number of tags, where a list of them is given. */
  readonly tags?: number;
  /** Side of the input in pixels. @default read off the mask buffers where the file has them, else 384 */
  readonly imageSize?: number;
  /** Window of the attention. @default that of the position tables */
  readonly window?: number;
  /** Attention heads of the tagging head. @default 4 */
  readonly heads?: number;
}

/** Rows of the label table of the published RAM++: 4,585 tags of 51 descriptions. */
const publishedRows = 4585 * 51;

/** Reads a network's configuration off the shapes of its tensors. Throws a ConvertError where they are no RAM++ or RAM. */
export function configFromShapes(file: string, shapes: ReadonlyMap<string, Shape>, hints: ShapeHints = {}): RamConfig {
  const of = (name: string): Shape => {
    const shape = shapes.get(name);
    if (shape === undefined) throw new ConvertError("unknown-architecture", `${file}: no tensor ${name}: not a checkpoint of RAM++ or RAM`);
    return shape;
  };
  const count = (name: (i: number) => string): number => {
    let n = 0;
    while (shapes.has(name(n))) n++;
    return n;
  };
  const [rows, textWidth] = of("label_embed") as [number, number];
  const query = of("tagging_head.encoder.layer.0.crossattention.self.query.weight");
  const modelType = shapes.has("reweight_scale") ? "ram_plus" : "ram";
  const tags = hints.tags ?? (modelType === "ram" ? rows : rows === publishedRows ? 4585 : undefined);
  if (tags === undefined) throw new ConvertError("tags-needed", `${file}: label_embed has ${rows} rows, and how many tags these describe is not known: give the list with --tags`);
  if (rows % tags !== 0 || (modelType === "ram" && rows !== tags)) throw new ConvertError("tags-mismatch", `${file}: label_embed has ${rows} rows, which ${tags} tags do not fit: give the checkpoint's own list with --tags`);
  const width = query[0]!;
  const heads = hints.heads ?? 4;
  if (width % heads !== 0) throw new ConvertError("bad-option", `--heads ${heads} does not divide the head's width of ${width}`);
  return {
    modelType,
    encoder: encoderFromShapes(file, shapes, of, count, hints),
    textWidth,
    tags,
    descriptions: rows / tags,
    head: { width, layers: count((i) => `tagging_head.encoder.layer.${i}.crossattention.self.query.weight`), heads, intermediate: of("tagging_head.encoder.layer.0.intermediate.dense.weight")[0]! },
    similarity: shapes.has("similarity_scale"),
    ...(shapes.has("classifier.weight") && { classifier: true }),
  };
}

function encoderFromShapes(file: string, shapes: ReadonlyMap<string, Shape>, of: (name: string) => Shape, count: (name: (i: number) => string) => number, hints: ShapeHints): EncoderConfig {
  if (shapes.has("visual_encoder.stem.weight")) return { kind: "mobilenet_v2", imageSize: hints.imageSize ?? 224, ...(shapes.has("visual_encoder.side_network.head.weight") && { sideNetwork: true }) };
  const [embedWidth, , patchSize] = of("visual_encoder.patch_embed.proj.weight") as [number, number, number];
  const block = (stage: number, i: number): string => `visual_encoder.layers.${stage}.blocks.${i}`;
  const table = (stage: number): Shape => of(`${block(stage, 0)}.attn.relative_position_bias_table`);
  const stages = count((stage) => `${block(stage, 0)}.norm1.weight`);
  const tableSide = Math.sqrt(table(0)[0]!);
  if (stages === 0 || !Number.isInteger(tableSide) || tableSide % 2 === 0) throw new ConvertError("unknown-architecture", `${file}: the position tables are not those of a Swin Transformer`);
  const window = hints.window ?? (tableSide + 1) / 2;
  const each = Array.from({ length: stages }, (_, stage) => stage);
  return {
    kind: "swin",
    imageSize: hints.imageSize ?? imageSizeFromMasks(shapes, patchSize, stages) ?? 384,
    patchSize,
    embedWidth,
    depths: each.map((stage) => count((i) => `${block(stage, i)}.norm1.weight`)),
    heads: each.map((stage) => table(stage)[1]!),
    window,
  };
}

/** The first stage whose odd block is shifted keeps a mask for each of its windows: [windows, w w, w w]. */
function imageSizeFromMasks(shapes: ReadonlyMap<string, Shape>, patchSize: number, stages: number): number | null {
  for (let stage = 0; stage < stages; stage++) {
    const mask = shapes.get(`visual_encoder.layers.${stage}.blocks.1.attn_mask`);
    if (mask === undefined || mask.length !== 3) continue;
    const size = Math.sqrt(mask[0]!) * Math.sqrt(mask[1]!) * 2 ** stage * patchSize;
    if (Number.isInteger(size)) return size;
  }
  return null;
}
