import { openByteSource, type ByteSource } from "./byte-source.js";
import { CheckpointError } from "./checkpoint-error.js";
import type { Checkpoint } from "./checkpoint.js";
import { openSafetensors } from "./read-safetensors.js";
import { legacyMagic, openTorchLegacy } from "./read-torch-legacy.js";
import { openTorchZip } from "./read-torch-zip.js";

/**
 * Opens a file of weights: .safetensors, or PyTorch's .pth in its zip form or the older one, told apart by content. Only the directory of
 * tensors is read; each tensor is read when asked for. Close it after use. Throws CheckpointError for any file that is none, is damaged, or
 * whose pickle asks for more than tensors and plain values.
 */
export async function openCheckpoint(file: string): Promise<Checkpoint> {
  const source = await openByteSource(file);
  try {
    return await openByContent(source);
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openByContent(source: ByteSource): Promise<Checkpoint> {
  const start = await source.read(0, Math.min(16, source.size));
  if (start.length === 0) throw new CheckpointError(source.file, { code: "not-a-checkpoint", problem: "the file is empty" });
  // The JSON of a safetensors header must begin with a brace, and no zip or pickle has one there.
  if (start[8] === 0x7b) return openSafetensors(source);
  if (start.toString("latin1", 0, 4) === "PK\x03\x04") return openTorchZip(source);
  if (start[0] === 0x80 && start.subarray(2, 15).equals(legacyMagic)) return openTorchLegacy(source);
  throw new CheckpointError(source.file, { code: "not-a-checkpoint", problem: `begins with the bytes ${start.toString("hex", 0, 8)}` });
}
