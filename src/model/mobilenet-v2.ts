import { add, clip } from "../graph/ops/elementwise.js";
import { conv, type ConvOptions } from "../graph/ops/conv.js";
import { reduceMean } from "../graph/ops/reduce.js";
import { concat, reshape, transpose } from "../graph/ops/structure.js";
import type { Params } from "../graph/params.js";
import type { Value } from "../graph/value.js";
import type { MobileNetV2Config } from "./config.js";
import type { NetworkHooks } from "./hooks.js";
import { ModelError } from "./model-error.js";

/** Expansion, channels, repeats and stride of the first, of each group of blocks (Table 2 of the paper). */
const groups = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

const headWidth = 1280;
/** Blocks that a side network shares with the first: a classifier's later blocks were as good on blocks that had trained on other photos as on its own. */
const sharedBlocks = 7;
const relu6 = (x: Value): Value => clip(x, { min: 0, max: 6 });

/**
 * Tokens [B, 1 + N, 1280] of images [B, 3, S, S]: row 0 is the mean of the N = (S/32)² places of the network's head. With a side network
 * [B, 1 + N, 2560], its own after the first's.
 */
export function mobileNetV2(image: Value, p: Params, c: MobileNetV2Config, hooks: NetworkHooks = {}): Value {
  if (c.imageSize % 32 !== 0) throw new ModelError("bad-model-config", `MobileNetV2 needs an image size divisible by 32, received ${c.imageSize}`);
  const shared = through(relu6(convolution(image, p.at("stem"), 32, { stride: 2 })), p, blocks.slice(0, sharedBlocks), hooks);
  const own = blocks.slice(sharedBlocks);
  const x = through(shared, p, own, hooks);
  hooks.observe?.("tokens_320", x);
  const tokens = headTokens(x, p);
  if (c.sideNetwork !== true) return tokens;
  const side = p.at("side_network");
  return concat([tokens, headTokens(through(shared, side, own, {}), side)], 2);
}

interface Block {
  readonly index: number;
  readonly expansion: number;
  readonly channels: number;
  readonly stride: number;
}

const blocks: readonly Block[] = groups
  .flatMap(([expansion, channels, repeats, stride]) => Array.from({ length: repeats }, (_, i) => ({ expansion, channels, stride: i === 0 ? stride : 1 })))
  .map((block, index) => ({ index, ...block }));

function through(x: Value, p: Params, some: readonly Block[], hooks: NetworkHooks): Value {
  return some.reduce((y, { index, expansion, channels, stride }) => block(y, p.at("blocks").at(index), expansion, channels, stride, (z) => hooks.residual?.(z, index) ?? z), x);
}

/** The head's output [B, 1280, S/32, S/32] of features [B, 320, S/32, S/32], as tokens after their mean. */
function headTokens(x: Value, p: Params): Value {
  const head = relu6(pointwise(x, p.at("head"), headWidth));
  const [batch, side] = [x.shape[0]!, x.shape[2] as number];
  const places = transpose(reshape(head, [batch, headWidth, side * side]), [0, 2, 1]);
  return concat([reduceMean(places, [1], { keepDims: true }), places], 1);
}

/** Inverted residual: expand, filter each channel, project; the input is added where the shape is kept. */
function block(x: Value, p: Params, expansion: number, channels: number, stride: number, residual: (y: Value) => Value): Value {
  const width = x.shape[1] as number;
  const wide = expansion === 1 ? x : relu6(pointwise(x, p.at("expand"), expansion * width));
  const filtered = relu6(convolution(wide, p.at("depthwise"), expansion * width, { stride, group: expansion * width }));
  const y = pointwise(filtered, p.at("project"), channels);
  return stride === 1 && width === channels ? add(x, residual(y)) : y;
}

/** 3x3 convolution with TensorFlow's SAME padding: at stride 2 nothing at top and left, 1 at bottom and right. */
function convolution(x: Value, p: Params, outputs: number, { stride = 1, group = 1 }: ConvOptions): Value {
  const inputs = (x.shape[1] as number) / group;
  const weight = p.get("weight", [outputs, inputs, 3, 3], { kind: "normal", std: Math.sqrt(2 / (9 * inputs)) });
  return add(conv(x, weight, { stride, group, pads: stride === 1 ? [1, 1, 1, 1] : [0, 0, 1, 1] }), channelBias(p, outputs));
}

/** 1x1 convolution; the checkpoint keeps its weight as a matrix. */
function pointwise(x: Value, p: Params, outputs: number): Value {
  const inputs = x.shape[1] as number;
  const weight = p.get("weight", [outputs, inputs], { kind: "normal", std: Math.sqrt(2 / inputs) });
  return add(conv(x, reshape(weight, [outputs, inputs, 1, 1])), channelBias(p, outputs));
}

function channelBias(p: Params, outputs: number): Value {
  return reshape(p.get("bias", [outputs], { kind: "constant", value: 0 }), [outputs, 1, 1]);
}
