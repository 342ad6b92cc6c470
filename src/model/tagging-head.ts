import { add, gelu, mul, relu } from "../graph/ops/elementwise.js";
import { matMul } from "../graph/ops/matmul.js";
import { softmax } from "../graph/ops/normalization.js";
import { reshape, squeeze, transpose } from "../graph/ops/structure.js";
import type { Params } from "../graph/params.js";
import { scalar, type Value } from "../graph/value.js";
import type { HeadConfig } from "./config.js";
import type { NetworkHooks } from "./hooks.js";
import { layerNorm, linear } from "./layers.js";

/** BERT's, which the head inherits; the encoder's differs. */
const epsilon = 1e-12;

/**
 * Logits [B, T] of tags whose vectors are `labels` ([B, T, W], or [T, W] when they are the same for every photo), looked
 * up in the photo's tokens `imageEmbeds` [B, 1 + N, W], the pooled one included. Tags do not see each other.
 */
export function taggingHead(labels: Value, imageEmbeds: Value, p: Params, c: HeadConfig, hooks: NetworkHooks = {}): Value {
  const width = labels.shape[labels.rank - 1]!;
  // Where the widths agree the checkpoints have no projection.
  const projected = width === c.width ? labels : linear(labels, c.width, p.at("wordvec_proj"), { init: "default" });
  let x = relu(projected);
  hooks.observe?.("label_embed_projected_relu", x);
  if (x.rank === 2) x = reshape(x, [1, ...x.shape]);
  for (let i = 0; i < c.layers; i++) {
    const layer = p.at("tagging_head").at("encoder").at("layer").at(i);
    x = crossAttention(x, imageEmbeds, layer.at("crossattention"), c);
    hooks.observe?.(`head_layer_${i}_cross_attention`, x);
    const inner = gelu(linear(x, c.intermediate, layer.at("intermediate").at("dense")));
    x = output(inner, x, layer.at("output"));
    hooks.observe?.(`head_layer_${i}`, x);
  }
  return squeeze(linear(x, 1, p.at("fc"), { init: "default" }), -1);
}

function crossAttention(x: Value, tokens: Value, p: Params, c: HeadConfig): Value {
  const depth = c.width / c.heads;
  const split = (y: Value, perm: readonly number[]): Value => transpose(reshape(y, [y.shape[0]!, y.shape[1]!, c.heads, depth]), perm);
  const self = p.at("self");
  const q = split(linear(x, c.width, self.at("query")), [0, 2, 1, 3]); // [B, heads, T, depth]
  const k = split(linear(tokens, c.width, self.at("key")), [0, 2, 3, 1]); // [B, heads, depth, 1 + N]
  const v = split(linear(tokens, c.width, self.at("value")), [0, 2, 1, 3]);
  const scores = mul(matMul(q, k), scalar(1 / Math.sqrt(depth)));
  const mixed = transpose(matMul(softmax(scores), v), [0, 2, 1, 3]);
  return output(reshape(mixed, [mixed.shape[0]!, mixed.shape[1]!, c.width]), x, p.at("output"));
}

/** Projection, then the norm of its sum with the residual. */
function output(y: Value, residual: Value, p: Params): Value {
  const width = residual.shape[residual.rank - 1] as number;
  return layerNorm(add(linear(y, width, p.at("dense")), residual), p.at("LayerNorm"), epsilon);
}
