import { CheckpointError } from "./checkpoint-error.js";

/** Bytes of one tensor: eight times the largest of the published checkpoints. A file with holes can declare any size and take no room itself. */
const tensorLimit = 2 ** 32;

/** Memory for a tensor's bytes. Throws a CheckpointError: too-large over 4 GiB, unreadable where there is not as much. */
export function tensorBuffer(file: string, tensor: string, bytes: number): ArrayBuffer {
  if (bytes > tensorLimit) throw new CheckpointError(file, { code: "too-large", what: `bytes of tensor ${tensor}`, actual: bytes, limit: tensorLimit });
  try {
    return new ArrayBuffer(bytes);
  } catch (cause) {
    throw new CheckpointError(file, { code: "unreadable", problem: `there is no memory for the ${bytes} bytes of tensor ${tensor}` }, { cause });
  }
}
