import { add, gelu, mul } from "../graph/ops/elementwise.js";
import { gather } from "../graph/ops/gather.js";
import { matMul } from "../graph/ops/matmul.js";
import { softmax } from "../graph/ops/normalization.js";
import { reduceMean } from "../graph/ops/reduce.js";
import { concat, reshape, roll, slice, transpose } from "../graph/ops/structure.js";
import type { Params } from "../graph/params.js";
import { constant, scalar, type Value } from "../graph/value.js";
import { float32, int64 } from "../tensor/tensor.js";
import { blockWindow, type SwinConfig } from "./config.js";
import type { NetworkHooks } from "./hooks.js";
import { layerNorm, linear, transformerInit } from "./layers.js";
import { ModelError } from "./model-error.js";

const epsilon = 1e-5;

/** Tokens [B, 1 + N, W] of images [B, 3, S, S]: row 0 is the mean of the N places, after the final norm. */
export function swin(image: Value, p: Params, c: SwinConfig, hooks: NetworkHooks = {}): Value {
  checkSwin(c);
  let x = patchEmbed(image, p.at("patch_embed"), c); // [B, S/4, S/4, C]
  hooks.observe?.("patch_embed", flattenPlaces(x));
  let branch = 0;
  c.depths.forEach((depth, stage) => {
    const layer = p.at("layers").at(stage);
    for (let i = 0; i < depth; i++, branch += 2) {
      const residual = (value: Value, which: 0 | 1): Value => hooks.residual?.(value, branch + which) ?? value;
      x = block(x, layer.at("blocks").at(i), c, stage, i, residual);
      hooks.observe?.(`stage_${stage}_block_${i}`, flattenPlaces(x));
    }
    if (stage < c.depths.length - 1) x = patchMerging(x, layer.at("downsample"));
    hooks.observe?.(`stage_${stage}`, flattenPlaces(x));
  });
  const places = flattenPlaces(layerNorm(x, p.at("norm"), epsilon));
  hooks.observe?.("final_norm", places);
  return concat([reduceMean(places, [1], { keepDims: true }), places], 1);
}

function checkSwin(c: SwinConfig): void {
  c.depths.forEach((_, stage) => {
    const { side, window } = blockWindow(c, stage, 0);
    const width = c.embedWidth * 2 ** stage;
    if (!Number.isInteger(side) || side % window !== 0 || width % c.heads[stage]! !== 0) {
      throw new ModelError("bad-model-config", `Swin at ${c.imageSize} pixels: stage ${stage} has side ${side}, window ${window}, width ${width}, ${c.heads[stage]} heads; the window must divide the side and the heads the width`);
    }
  });
}

/** [B, H, W, C] to [B, H W, C]. */
function flattenPlaces(x: Value): Value {
  const [batch, height, width, channels] = x.shape;
  return reshape(x, [batch!, (height as number) * (width as number), channels!]);
}

/** The 4x4 convolution of stride 4 as one product, since kernel = stride. */
function patchEmbed(image: Value, p: Params, c: SwinConfig): Value {
  const side = c.imageSize / c.patchSize;
  const patches = transpose(reshape(image, [image.shape[0]!, 3, side, c.patchSize, side, c.patchSize]), [0, 2, 4, 1, 3, 5]);
  const inputs = 3 * c.patchSize ** 2;
  const flat = reshape(patches, [image.shape[0]!, side, side, inputs]);
  const uniform = { kind: "uniform", bound: 1 / Math.sqrt(inputs) } as const;
  const weight = p.at("proj").get("weight", [c.embedWidth, 3, c.patchSize, c.patchSize], uniform);
  const projected = add(matMul(flat, reshape(weight, [c.embedWidth, inputs]), { transB: true }), p.at("proj").get("bias", [c.embedWidth], uniform));
  return layerNorm(projected, p.at("norm"), epsilon);
}

function block(x: Value, p: Params, c: SwinConfig, stage: number, index: number, residual: (value: Value, which: 0 | 1) => Value): Value {
  x = add(x, residual(windowAttention(layerNorm(x, p.at("norm1"), epsilon), p.at("attn"), c, stage, index), 0));
  return add(x, residual(mlp(layerNorm(x, p.at("norm2"), epsilon), p.at("mlp")), 1));
}

function mlp(x: Value, p: Params): Value {
  const width = x.shape[x.rank - 1] as number;
  return linear(gelu(linear(x, 4 * width, p.at("fc1"))), width, p.at("fc2"));
}

/** Attention within windows, shifted in odd blocks. */
function windowAttention(x: Value, p: Params, c: SwinConfig, stage: number, index: number): Value {
  const { side, window, shift } = blockWindow(c, stage, index);
  const heads = c.heads[stage]!;
  const [batch, , , width] = x.shape as [number, number, number, number];
  const perSide = side / window;
  const places = window * window;
  const depth = width / heads;

  const shifted = roll(roll(x, 1, shift), 2, shift);
  const split = transpose(reshape(shifted, [batch, perSide, window, perSide, window, width]), [0, 1, 3, 2, 4, 5]);
  const windows = reshape(split, [batch, perSide * perSide, places, width]); // [B, windows, w w, C]
  const qkv = linear(windows, 3 * width, p.at("qkv"));
  const part = (i: number): Value => reshape(slice(qkv, 3, i * width, (i + 1) * width), [batch, perSide * perSide, places, heads, depth]);
  // The reference scales q before the product.
  const q = mul(transpose(part(0), [0, 1, 3, 2, 4]), scalar(depth ** -0.5));
  const scores = matMul(q, transpose(part(1), [0, 1, 3, 4, 2])); // [B, windows, heads, w w, w w]
  const biased = add(scores, attentionBias(p, window, heads));
  // Added by itself: the sum of bias and mask, which a runtime would compute once and keep, is as many times larger as there are windows.
  const masked = shift === 0 ? biased : add(biased, constant(float32([(side / window) ** 2, 1, places, places], shiftMask(side, window, shift))));
  const mixed = transpose(matMul(softmax(masked), transpose(part(2), [0, 1, 3, 2, 4])), [0, 1, 3, 2, 4]);
  const joined = linear(reshape(mixed, [batch, perSide * perSide, places, width]), width, p.at("proj"));

  const back = transpose(reshape(joined, [batch, perSide, perSide, window, window, width]), [0, 1, 3, 2, 4, 5]);
  return roll(roll(reshape(back, [batch, side, side, width]), 1, -shift), 2, -shift);
}

/** The relative position bias [heads, w w, w w]. */
function attentionBias(p: Params, window: number, heads: number): Value {
  const places = window * window;
  const tableSide = 2 * window - 1;
  const table = p.get("relative_position_bias_table", [tableSide * tableSide, heads], transformerInit);
  const index = Array.from({ length: places * places }, (_, i) => {
    const [query, key] = [Math.floor(i / places), i % places];
    const rows = Math.floor(query / window) - Math.floor(key / window) + window - 1;
    return rows * tableSide + (query % window) - (key % window) + window - 1;
  });
  return transpose(reshape(gather(table, constant(int64([places * places], index))), [places, places, heads]), [2, 0, 1]);
}

/** [windows, 1, w w, w w]: -100 where query and key of a window come from different regions of the shifted map. */
function shiftMask(side: number, window: number, shift: number): Float32Array {
  const places = window * window;
  const perSide = side / window;
  const band = (at: number): number => (at < side - window ? 0 : at < side - shift ? 1 : 2);
  const mask = new Float32Array(perSide * perSide * places * places);
  for (let w = 0, i = 0; w < perSide * perSide; w++) {
    const [top, left] = [Math.floor(w / perSide) * window, (w % perSide) * window];
    const region = Array.from({ length: places }, (_, at) => band(top + Math.floor(at / window)) * 3 + band(left + (at % window)));
    for (let query = 0; query < places; query++) for (let key = 0; key < places; key++) mask[i++] = region[query] === region[key] ? 0 : -100;
  }
  return mask;
}

/** Joins each 2x2 neighbourhood: half the side, twice the channels. */
function patchMerging(x: Value, p: Params): Value {
  const [batch, side, , width] = x.shape as [number, number, number, number];
  const half = side / 2;
  // [B, half, row, half, column, C] to [.., column, row, C]: the reference joins (0,0), (1,0), (0,1), (1,1).
  const split = transpose(reshape(x, [batch, half, 2, half, 2, width]), [0, 1, 3, 4, 2, 5]);
  return linear(layerNorm(reshape(split, [batch, half, half, 4 * width]), p.at("norm"), epsilon), 2 * width, p.at("reduction"), { bias: false });
}
