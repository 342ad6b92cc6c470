import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.js";
import type { Tensor } from "../../src/tensor/tensor.js";

/** Runs with a fresh folder, removed afterwards. */
export async function withFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "ramplus-checkpoint-"));
  try {
    return await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** All tensors of a file. */
export async function readAll(file: string): Promise<Map<string, Tensor>> {
  const checkpoint = await openCheckpoint(file);
  try {
    const tensors = new Map<string, Tensor>();
    for (const [name, stored] of checkpoint.tensors) tensors.set(name, await stored.read());
    return tensors;
  } finally {
    await checkpoint.close();
  }
}

/** All tensors of a file with these bytes. */
export function readAllBytes(bytes: Uint8Array): Promise<Map<string, Tensor>> {
  return withFolder(async (folder) => {
    const file = join(folder, "weights.bin");
    await writeFile(file, bytes);
    return readAll(file);
  });
}
