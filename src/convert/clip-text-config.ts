import type { ClipTextConfig } from "../model/clip-text.js";
import type { Shape } from "../tensor/shape.js";
import { endToken } from "../vocab/clip-tokenizer.js";
import { ConvertError } from "./convert-error.js";

/**
 * Sizes of CLIP's text encoder, read off the shapes of its tensors under Hugging Face's names; the heads, which shapes do not
 * show, from `json` (Hugging Face's config.json, or null where there is none), else 64 wide as in every published CLIP.
 * Throws a ConvertError (unknown-architecture) where they are no text encoder that this project can run.
 */
export function clipTextConfig(file: string, shapes: ReadonlyMap<string, Shape>, json: unknown): ClipTextConfig {
  const bad = (problem: string): ConvertError => new ConvertError("unknown-architecture", `${file}: ${problem}`);
  const of = (name: string, rank: number): Shape => {
    const shape = shapes.get(name);
    if (shape === undefined || shape.length !== rank) throw bad(`no tensor ${name} of ${rank} axes: not a checkpoint of CLIP's text encoder`);
    return shape;
  };
  const [vocabulary, width] = of("text_model.embeddings.token_embedding.weight", 2) as [number, number];
  const [context] = of("text_model.embeddings.position_embedding.weight", 2) as [number, number];
  const [embedWidth] = of("text_projection.weight", 2) as [number, number];
  const [intermediate] = of("text_model.encoder.layers.0.mlp.fc1.weight", 2) as [number, number];
  if (vocabulary !== endToken + 1) throw bad(`its vocabulary has ${vocabulary} tokens, CLIP's ${endToken + 1}`);
  let layers = 1;
  while (shapes.has(`text_model.encoder.layers.${layers}.mlp.fc1.weight`)) layers++;
  const given = textConfigOf(json);
  const heads = given["num_attention_heads"] ?? given["heads"] ?? width / 64;
  const activation = given["hidden_act"] ?? given["activation"] ?? "quick_gelu";
  const epsilon = given["layer_norm_eps"] ?? 1e-5;
  if (typeof heads !== "number" || !Number.isInteger(heads) || heads < 1 || width % heads !== 0) throw bad(`${String(heads)} attention heads do not divide its width of ${width}: num_attention_heads of config.json says how many there are`);
  if (activation !== "quick_gelu" && activation !== "gelu") throw bad(`config.json: hidden_act ${JSON.stringify(activation)}: expected quick_gelu or gelu`);
  if (typeof epsilon !== "number" || !(epsilon > 0 && epsilon < 1)) throw bad(`config.json: layer_norm_eps ${JSON.stringify(epsilon)}: expected a number from 0 to 1`);
  return { width, heads, layers, intermediate, embedWidth, vocabulary, context, activation, epsilon };
}

/** Hugging Face puts the text encoder's part of CLIP's configuration under `text_config`. */
function textConfigOf(json: unknown): Readonly<Record<string, unknown>> {
  const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject(json)) return {};
  return isObject(json["text_config"]) ? json["text_config"] : json;
}
