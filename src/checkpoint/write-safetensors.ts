import { randomBytes } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { elementCount } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { CheckpointError } from "./checkpoint-error.js";
import { safetensorsDTypes } from "./safetensors-header.js";

/** One system call writes at most this much: Node takes 32-bit lengths. */
const chunk = 2 ** 28;

/**
 * Writes a safetensors file: tensors in the order given, equal bytes for equal input. It is written beside its place, flushed to the disk and
 * renamed, so that a reader sees the old file or the new one whole. Throws CheckpointError (duplicate-name, bad-header for the reserved name
 * `__metadata__`, unwritable).
 */
export async function writeSafetensors(file: string, tensors: Iterable<{ readonly name: string; readonly tensor: Tensor }>, metadata?: Readonly<Record<string, string>>): Promise<void> {
  const all = [...tensors];
  const header = headerBytes(file, all, metadata);
  const beside = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const handle = await open(beside, "wx");
    try {
      await writeFully(handle, header);
      for (const { tensor } of all) await writeFully(handle, new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
    await syncFolder(dirname(file));
  } catch (cause) {
    await rm(beside, { force: true });
    throw new CheckpointError(file, { code: "unwritable", problem: (cause as Error).message }, { cause });
  }
}

function headerBytes(file: string, tensors: readonly { readonly name: string; readonly tensor: Tensor }[], metadata: Readonly<Record<string, string>> | undefined): Buffer {
  const names = new Set<string>();
  // Joined by hand: an object would move names that look like numbers to the front.
  const members: string[] = metadata === undefined ? [] : [`"__metadata__":${JSON.stringify(metadata)}`];
  let position = 0;
  for (const { name, tensor } of tensors) {
    if (name === "__metadata__") throw new CheckpointError(file, { code: "bad-header", problem: "no tensor can be called __metadata__" });
    if (names.has(name)) throw new CheckpointError(file, { code: "duplicate-name", tensor: name });
    names.add(name);
    if (tensor.data.length !== elementCount(tensor.shape)) throw new RangeError(`${name}: shape [${tensor.shape.join(", ")}] over ${tensor.data.length} elements`);
    const end = position + tensor.data.byteLength;
    members.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype: safetensorsDTypes[tensor.dtype], shape: tensor.shape, data_offsets: [position, end] })}`);
    position = end;
  }
  const json = Buffer.from(`{${members.join(",")}}`, "utf8");
  const padded = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, " ");
  padded.writeBigUInt64LE(BigInt(padded.length - 8));
  json.copy(padded, 8);
  return padded;
}

async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(chunk, bytes.byteLength - done), null);
    done += bytesWritten;
  }
}

/** Makes the rename itself durable; some systems (Windows) cannot open folders, and their renames need none of this. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  if (handle === undefined) return;
  await handle.sync().catch(() => undefined);
  await handle.close();
}
