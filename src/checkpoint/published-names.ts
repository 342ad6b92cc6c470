import { CheckpointError } from "./checkpoint-error.js";
import type { Checkpoint, StoredTensor } from "./checkpoint.js";

/** Today's name of a published tensor: the first files call the tagging head `vision_multi`. */
export function publishedName(name: string): string {
  return name.replace(/^vision_multi\./, "tagging_head.");
}

/**
 * Whether a published file may hold this tensor although tagging has no use for it: indices and masks that follow from the sizes, and RAM's
 * captioning parts (some of which share the head's storage).
 */
export function isIgnoredBuffer(name: string): boolean {
  return /(^|\.)(relative_position_index|attn_mask)$/.test(name) || /^(tag_encoder|text_decoder)\./.test(name);
}

/** The same checkpoint under `publishedName`s; closing it closes the original. Throws CheckpointError (duplicate-name) where two names become one. */
export function withPublishedNames(checkpoint: Checkpoint): Checkpoint {
  const tensors = new Map<string, StoredTensor>();
  for (const stored of checkpoint.tensors.values()) {
    const name = publishedName(stored.name);
    if (tensors.has(name)) throw new CheckpointError(checkpoint.file, { code: "duplicate-name", tensor: name });
    tensors.set(name, { ...stored, name });
  }
  return { ...checkpoint, tensors };
}
