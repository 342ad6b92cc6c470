import { add, cast, equal, gelu, greater, mul, neg, sigmoid, where } from "../graph/ops/elementwise.js";
import { gather } from "../graph/ops/gather.js";
import { matMul } from "../graph/ops/matmul.js";
import { softmax } from "../graph/ops/normalization.js";
import { reduceMax } from "../graph/ops/reduce.js";
import { reshape, squeeze, transpose, unsqueeze } from "../graph/ops/structure.js";
import type { Params } from "../graph/params.js";
import { input, scalar, type Value } from "../graph/value.js";
import type { NetworkHooks } from "./hooks.js";
import { layerNorm, linear, transformerInit } from "./layers.js";

/** The text transformer of CLIP (Radford et al. 2021, arXiv 2103.00020). */
export interface ClipTextConfig {
  readonly width: number;
  readonly heads: number;
  readonly layers: number;
  /** Width inside the layers' perceptrons. */
  readonly intermediate: number;
  /** Width of the space that texts and images share. */
  readonly embedWidth: number;
  readonly vocabulary: number;
  /** Most tokens of a text, start and end included. */
  readonly context: number;
  readonly activation: "quick_gelu" | "gelu";
  readonly epsilon: number;
}

/** The text transformer of CLIP ViT-B/16, which made the published tag embeddings. */
export const clipVitB16Text: ClipTextConfig = { width: 512, heads: 8, layers: 12, intermediate: 2048, embedWidth: 512, vocabulary: 49408, context: 77, activation: "quick_gelu", epsilon: 1e-5 };

/**
 * The graph of the text encoder, names as Hugging Face has them: `input_ids` [batch, length] int64 and `position_ids`
 * [length] int64 (0, 1, 2 ...) to `text_embeds` [batch, embedWidth], not yet of unit length. No token sees a later one, so
 * what follows the end token does not matter: any length that holds the longest text of a batch gives the same result.
 */
export function clipTextGraph(p: Params, c: ClipTextConfig, hooks: NetworkHooks = {}): { readonly text_embeds: Value } {
  const ids = input("input_ids", "int64", ["batch", "length"]);
  const positions = input("position_ids", "int64", ["length"]);
  return { text_embeds: clipText(ids, positions, p, c, hooks) };
}

/** Text features [B, embedWidth] of token ids [B, L] at positions [L]. */
export function clipText(ids: Value, positions: Value, p: Params, c: ClipTextConfig, hooks: NetworkHooks = {}): Value {
  const model = p.at("text_model");
  const embeddings = model.at("embeddings");
  const tokens = gather(embeddings.at("token_embedding").get("weight", [c.vocabulary, c.width], transformerInit), ids);
  const places = gather(embeddings.at("position_embedding").get("weight", [c.context, c.width], { kind: "normal", std: 0.01 }), positions);
  let x = add(tokens, places); // [B, L, W]
  hooks.observe?.("embedded", x);
  const mask = causalMask(positions);
  for (let i = 0; i < c.layers; i++) {
    const layer = model.at("encoder").at("layers").at(i);
    x = add(x, selfAttention(layerNorm(x, layer.at("layer_norm1"), c.epsilon), mask, layer.at("self_attn"), c));
    x = add(x, perceptron(layerNorm(x, layer.at("layer_norm2"), c.epsilon), layer.at("mlp"), c));
    hooks.observe?.(`block_${i}`, x);
  }
  x = layerNorm(x, model.at("final_layer_norm"), c.epsilon);
  hooks.observe?.("ln_final", x);
  return linear(atEnd(x, ids, positions), c.embedWidth, p.at("text_projection"), { bias: false }); // [B, embedWidth]
}

/** [L, L]: minus infinity where the token at the column comes after that at the row. */
function causalMask(positions: Value): Value {
  return where(greater(unsqueeze(positions, 0), unsqueeze(positions, 1)), scalar(-Infinity), scalar(0));
}

function selfAttention(x: Value, mask: Value, p: Params, c: ClipTextConfig): Value {
  const depth = c.width / c.heads;
  const split = (name: string, perm: readonly number[]): Value => transpose(reshape(linear(x, c.width, p.at(name)), [x.shape[0]!, x.shape[1]!, c.heads, depth]), perm);
  const q = mul(split("q_proj", [0, 2, 1, 3]), scalar(1 / Math.sqrt(depth))); // [B, heads, L, depth]
  const k = split("k_proj", [0, 2, 3, 1]); // [B, heads, depth, L]
  const v = split("v_proj", [0, 2, 1, 3]);
  const mixed = transpose(matMul(softmax(add(matMul(q, k), mask)), v), [0, 2, 1, 3]);
  return linear(reshape(mixed, x.shape), c.width, p.at("out_proj"));
}

function perceptron(x: Value, p: Params, c: ClipTextConfig): Value {
  const inner = linear(x, c.intermediate, p.at("fc1"));
  const active = c.activation === "gelu" ? gelu(inner) : mul(inner, sigmoid(mul(inner, scalar(1.702))));
  return linear(active, c.width, p.at("fc2"));
}

/** The vectors [B, W] at the end token: the largest id, and the first one where it occurs again. */
function atEnd(x: Value, ids: Value, positions: Value): Value {
  // Exact in float32: ids and positions are far below 2^24.
  const [id, place] = [cast(ids, "float32"), cast(positions, "float32")];
  const isEnd = equal(id, reduceMax(id, [1], { keepDims: true }));
  const earliness = where(isEnd, neg(place), scalar(-Infinity)); // [B, L]
  const first = cast(equal(earliness, reduceMax(earliness, [1], { keepDims: true })), "float32");
  return squeeze(matMul(unsqueeze(first, 1), x), 1);
}
