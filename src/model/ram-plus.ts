import { add, exp, mul } from "../graph/ops/elementwise.js";
import { matMul } from "../graph/ops/matmul.js";
import { concat, reshape, slice } from "../graph/ops/structure.js";
import type { Params } from "../graph/params.js";
import { input, type Value } from "../graph/value.js";
import type { Dim } from "../graph/type.js";
import { embedRows, encoderWidth, featureWidth, tokenCount, type RamConfig } from "./config.js";
import type { NetworkHooks } from "./hooks.js";
import { linear } from "./layers.js";
import { mobileNetV2 } from "./mobilenet-v2.js";
import { ModelError } from "./model-error.js";
import { inParts } from "./parts.js";
import { globalEmbedding, reweight } from "./reweight.js";
import { swin } from "./swin.js";
import { taggingHead } from "./tagging-head.js";

/** The encoder's tokens [B, 1 + N, encoder width] of images [B, 3, S, S]. */
export function encode(image: Value, p: Params, c: RamConfig, hooks: NetworkHooks = {}): Value {
  const scope = p.at("visual_encoder");
  const tokens = c.encoder.kind === "swin" ? swin(image, scope, c.encoder, hooks) : mobileNetV2(image, scope, c.encoder, hooks);
  hooks.observe?.("encoder_output", tokens);
  return tokens;
}

/**
 * Tokens brought into the space of the descriptions: `image_embeds` [B, 1 + N, W]. For a classifier there are F more rows, the mean feature as it
 * is, so that what is kept of a photo is still one tensor. Throws a ModelError where the feature does not fill its rows.
 */
export function projectTokens(tokens: Value, p: Params, c: RamConfig): Value {
  const projected = linear(tokens, c.textWidth, p.at("image_proj"), { init: "default" });
  if (c.classifier !== true) return projected;
  const width = featureWidth(c.encoder);
  if (width % c.textWidth !== 0) throw new ModelError("bad-model-config", `a network with a classifier needs a shared space whose width divides ${width}, received ${c.textWidth}`);
  return concat([projected, reshape(meanFeature(tokens, c), [tokens.shape[0]!, width / c.textWidth, c.textWidth])], 1);
}

/** The mean feature [B, 1, width] that a classifier sees, of the encoder's tokens: the last part of the pooled one. */
export function meanFeature(tokens: Value, c: RamConfig): Value {
  const end = encoderWidth(c.encoder);
  return slice(slice(tokens, 1, 0, 1), 2, end - featureWidth(c.encoder), end);
}

/** The projected tokens [B, 1 + N, W] among the rows of `image_embeds`. */
export function projectedTokens(imageEmbeds: Value, c: RamConfig): Value {
  return c.classifier === true ? slice(imageEmbeds, 1, 0, tokenCount(c.encoder)) : imageEmbeds;
}

/** The embeddings of some tags: rows of `label_embed` and, where the network has the similarity term, their biases; of its own tags those of its classifier. */
export interface LabelRows {
  /** [T, D, W]; in RAM, which has one embedding a tag, [T, W]. */
  readonly embed: Value;
  /** [T] */
  readonly bias: Value | null;
  /** [T, width of the mean feature] */
  readonly classifier?: Value;
  /** Added to the weights of descriptions before their softmax, [T, D]: far below 0 for those that a tag lacks. */
  readonly mask?: Value;
}

/** The embeddings of all tags. */
export function allLabels(p: Params, c: RamConfig): LabelRows {
  const rows = p.get("label_embed", [c.tags * c.descriptions, c.textWidth], { kind: "normal", std: c.textWidth ** -0.5 });
  return {
    embed: c.modelType === "ram" ? rows : reshape(rows, [c.tags, c.descriptions, c.textWidth]),
    bias: c.similarity ? p.get("similarity_bias", [c.tags], { kind: "constant", value: -11 }) : null,
    ...(c.classifier === true && { classifier: p.get("classifier.weight", [c.tags, featureWidth(c.encoder)], { kind: "constant", value: 0 }) }),
  };
}

/** Bytes of a photo's widest vectors in the head, of which several are alive at a time. */
const largestInner = 16 * 1024 * 1024;

/** Logits [B, T] of tags for photos by `image_embeds` [B, 1 + N (+ F), W]. RAM++ reweights descriptions, RAM has one vector a tag. */
export function tagLogits(imageEmbeds: Value, labels: LabelRows, p: Params, c: RamConfig, hooks: NetworkHooks = {}): Value {
  const logits = tokenLogits(projectedTokens(imageEmbeds, c), labels, p, c, hooks);
  if (labels.classifier === undefined) return logits;
  const feature = reshape(slice(imageEmbeds, 1, tokenCount(c.encoder), embedRows(c)), [imageEmbeds.shape[0]!, featureWidth(c.encoder)]);
  return add(logits, matMul(feature, labels.classifier, { transB: true }));
}

/** Logits [B, T] by the projected tokens [B, 1 + N, W]. */
function tokenLogits(imageEmbeds: Value, labels: LabelRows, p: Params, c: RamConfig, hooks: NetworkHooks): Value {
  if (c.modelType === "ram") return headLogits(labels.embed, imageEmbeds, p, c, hooks);
  const logScale = p.get("reweight_scale", [], { kind: "constant", value: Math.log(1 / 0.07) });
  const reweighted = reweight(globalEmbedding(imageEmbeds), labels.embed, logScale, labels.mask);
  hooks.observe?.("reweight_softmax", reweighted.weights);
  hooks.observe?.("label_embed_reweighted", reweighted.labels);
  const logits = headLogits(reweighted.labels, imageEmbeds, p, c, hooks);
  hooks.observe?.("head_logits", logits);
  if (labels.bias === null) return logits;
  const scale = exp(p.get("similarity_scale", [], { kind: "constant", value: Math.log(25) }));
  return add(logits, add(mul(reweighted.similarity, scale), labels.bias));
}

/** The tagging head's logits [B, T]. Tags do not see each other: many go through it in parts, so that not all of its memory is needed at once. */
function headLogits(labels: Value, imageEmbeds: Value, p: Params, c: RamConfig, hooks: NetworkHooks): Value {
  const parts = inParts(labels, labels.rank - 2, largestInner / (4 * c.head.intermediate));
  return concat(parts.map((part) => taggingHead(part, imageEmbeds, p, c.head, hooks)), 1);
}

/** The two graphs that a model folder holds, by their outputs, with inputs `pixel_values` and `image_embeds`. */
export interface RamGraphs {
  /** `pixel_values` [batch, 3, S, S] to `image_embeds` [batch, 1 + N (+ F), W]. */
  readonly vision: { readonly image_embeds: Value };
  /** `image_embeds` to `logits` [batch, T]. */
  readonly tagging: { readonly logits: Value };
}

/** Builds the network's two graphs. `batch` may be symbolic. */
export function ramGraphs(p: Params, c: RamConfig, batch: Dim = "batch", hooks: NetworkHooks = {}): RamGraphs {
  const image = input("pixel_values", "float32", [batch, 3, c.encoder.imageSize, c.encoder.imageSize]);
  const embeds = projectTokens(encode(image, p, c, hooks), p, c);
  const given = input("image_embeds", "float32", [batch, embedRows(c), c.textWidth]);
  return { vision: { image_embeds: embeds }, tagging: { logits: tagLogits(given, allLabels(p, c), p, c, hooks) } };
}

/**
 * The tagging graph for any tags: these are inputs like the photo. `image_embeds` [batch, 1 + N (+ F), W] and `label_embed`
 * [tags, descriptions, W] with `label_mask` [tags, descriptions], in RAM [tags, W] alone, and where the network has the
 * similarity term `label_bias` [tags], to `logits` [batch, tags]. A classifier has rows for the network's own tags alone, and no part in these.
 */
export function bankGraph(p: Params, c: RamConfig): { readonly logits: Value } {
  const embeds = input("image_embeds", "float32", ["batch", embedRows(c), c.textWidth]);
  const ram = c.modelType === "ram";
  const embed = input("label_embed", "float32", ram ? ["tags", c.textWidth] : ["tags", "descriptions", c.textWidth]);
  const bias = c.similarity ? input("label_bias", "float32", ["tags"]) : null;
  const labels = { embed, bias, ...(!ram && { mask: input("label_mask", "float32", ["tags", "descriptions"]) }) };
  return { logits: tagLogits(embeds, labels, p, c) };
}

/** Logits [B, T] for images [B, 3, S, S]: the whole network in one. */
export function ramPlus(image: Value, p: Params, c: RamConfig, hooks: NetworkHooks = {}): Value {
  const embeds = projectTokens(encode(image, p, c, hooks), p, c);
  hooks.observe?.("image_embeds", embeds);
  return tagLogits(embeds, allLabels(p, c), p, c, hooks);
}

/** Width of the tokens that the network's encoder gives, before projection. */
export function tokenWidth(c: RamConfig): number {
  return encoderWidth(c.encoder);
}
