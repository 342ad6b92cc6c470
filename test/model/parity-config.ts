import { readFileSync } from "node:fs";
import { shared } from "../shared-data.js";
import type { RamConfig } from "../../src/model/config.js";

/** The configuration of a parity case as this project words it. */
export function parityConfig(name: string): RamConfig {
  const c = JSON.parse(readFileSync(shared(`parity/${name}/config.json`), "utf8"));
  return {
    modelType: c.kind,
    encoder: { kind: "swin", imageSize: c.image_size, patchSize: c.patch_size, embedWidth: c.embed_dim, depths: c.depths, heads: c.num_heads, window: c.window_size },
    textWidth: c.text_width,
    tags: c.num_tags,
    descriptions: c.descriptions_per_tag,
    head: { width: c.hidden_size, layers: c.head_num_hidden_layers, heads: c.head_num_attention_heads, intermediate: c.head_intermediate_size },
    similarity: false,
  };
}
