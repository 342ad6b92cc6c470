import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { CheckpointError } from "./checkpoint-error.js";
import type { Checkpoint, StoredTensor } from "./checkpoint.js";
import { toFloat32 } from "./to-float32.js";

/** Whether a file of CLIP may hold this tensor although its text encoder has no use for it: the image encoder, the scale of its loss, buffers. */
export function isIgnoredByClipText(name: string): boolean {
  return /^(visual|vision_model)\./.test(name) || /^(visual_projection\.weight|logit_scale|logit_bias|input_resolution|context_length|vocab_size)$/.test(name) || name.endsWith("embeddings.position_ids");
}

/** Hugging Face's names of OpenAI's parts of a layer; `attn.in_proj_*` is split. */
const layerParts: Readonly<Record<string, string>> = { "attn.out_proj": "self_attn.out_proj", ln_1: "layer_norm1", ln_2: "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2" };
const wholeNames: Readonly<Record<string, string>> = {
  "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
  positional_embedding: "text_model.embeddings.position_embedding.weight",
  "ln_final.weight": "text_model.final_layer_norm.weight",
  "ln_final.bias": "text_model.final_layer_norm.bias",
};

/**
 * The same checkpoint of CLIP under Hugging Face's names, its text encoder's tensors as Hugging Face has them: OpenAI's joint
 * projection of queries, keys and values in three, the text projection transposed. A file that has Hugging Face's names
 * already stays as it is. Closing it closes the original. Throws CheckpointError (duplicate-name) where two names become one.
 */
export function withClipNames(checkpoint: Checkpoint): Checkpoint {
  const tensors = new Map<string, StoredTensor>();
  for (const stored of checkpoint.tensors.values()) {
    for (const renamed of renamedParts(stored)) {
      if (tensors.has(renamed.name)) throw new CheckpointError(checkpoint.file, { code: "duplicate-name", tensor: renamed.name });
      tensors.set(renamed.name, renamed);
    }
  }
  return { ...checkpoint, tensors };
}

function renamedParts(stored: StoredTensor): StoredTensor[] {
  const { name, shape } = stored;
  const whole = wholeNames[name];
  if (whole !== undefined) return [{ ...stored, name: whole }];
  if (name === "text_projection" && shape.length === 2) return [transposed(stored)];
  const [, layer, part, kind] = /^transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)$/.exec(name) ?? [];
  const prefix = `text_model.encoder.layers.${layer}`;
  if (part === "attn.in_proj" && shape[0]! % 3 === 0) return ["q", "k", "v"].map((letter, third) => thirdOf(stored, `${prefix}.self_attn.${letter}_proj.${kind}`, third));
  const known = part === undefined ? undefined : layerParts[part];
  return [known === undefined ? stored : { ...stored, name: `${prefix}.${known}.${kind}` }];
}

function thirdOf(stored: StoredTensor, name: string, third: number): StoredTensor {
  const shape: Shape = [stored.shape[0]! / 3, ...stored.shape.slice(1)];
  return {
    name,
    dtype: stored.dtype,
    shape,
    async read() {
      const { dtype, data } = await stored.read();
      return { dtype, shape, data: data.slice((third * data.length) / 3, ((third + 1) * data.length) / 3) } as Tensor;
    },
  };
}

function transposed(stored: StoredTensor): StoredTensor {
  const [rows, columns] = stored.shape as [number, number];
  return {
    name: "text_projection.weight",
    dtype: stored.dtype,
    shape: [columns, rows],
    async read() {
      const { data } = toFloat32(await stored.read());
      const turned = new Float32Array(data.length);
      for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) turned[j * rows + i] = data[i * columns + j]!;
      return { dtype: "float32", shape: [columns, rows], data: turned };
    },
  };
}
