import { open, readFile, rename, rm, writeFile, type FileHandle } from "node:fs/promises";
import { elementCount } from "../tensor/shape.js";
import { floatsToHalves, halfToFloat } from "../tensor/half.js";
import type { Tensor } from "../tensor/tensor.js";
import { TrainError } from "./train-error.js";

/** The encoder's output of photos, kept in half precision in a file. */
export interface TokenCache extends AsyncDisposable {
  /** Names of the photos, in the file's order. */
  readonly names: readonly string[];
  /** [1 + N, width] */
  readonly shape: readonly [number, number];
  /** Reads the tokens of photo `index` into `out` from `offset` on; at most `rows` of them. */
  read(index: number, out: Float32Array, offset: number, rows?: number): Promise<void>;
}

const floats = Float32Array.from({ length: 65536 }, (_, bits) => halfToFloat(bits));

/** Opens a cache written for the same photos and `stamp`, or gives null. */
export async function openTokenCache(file: string, stamp: string): Promise<TokenCache | null> {
  let index: { stamp: string; shape: [number, number]; names: string[] };
  let handle: FileHandle;
  try {
    index = JSON.parse(await readFile(`${file}.json`, "utf8"));
    if (index.stamp !== stamp) return null;
    handle = await open(file, "r");
  } catch {
    return null;
  }
  const count = elementCount(index.shape);
  return {
    names: index.names,
    shape: index.shape,
    async read(at, out, offset, rows = index.shape[0]) {
      const halves = new Uint16Array(rows * index.shape[1]);
      const { bytesRead } = await handle.read(new Uint8Array(halves.buffer), 0, halves.byteLength, at * count * 2);
      if (bytesRead !== halves.byteLength) throw new TrainError("bad-training-state", `${file}: is shorter than its index says; delete it to have it made again`);
      for (let i = 0; i < halves.length; i++) out[offset + i] = floats[halves[i]!]!;
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** The same of tensors in memory, without names. */
export function memoryTokens(tensors: readonly Tensor<"float32">[]): TokenCache {
  const [rows, width] = tensors[0]!.shape as [number, number];
  return {
    names: [],
    shape: [rows, width],
    read: async (index, out, offset, count = rows) => out.set(tensors[index]!.data.subarray(0, count * width), offset),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Writes a cache: `batches` gives names and tokens in order. The index comes last, so a cache that was cut short is none. */
export async function writeTokenCache(file: string, stamp: string, shape: readonly [number, number], batches: AsyncIterable<{ names: readonly string[]; tokens: Float32Array }>): Promise<void> {
  const names: string[] = [];
  const handle = await open(`${file}.part`, "w");
  try {
    for await (const batch of batches) {
      const halves = floatsToHalves(batch.tokens);
      await handle.write(new Uint8Array(halves.buffer));
      names.push(...batch.names);
    }
    await handle.close();
    await rename(`${file}.part`, file);
    await writeFile(`${file}.json.part`, JSON.stringify({ stamp, shape, names }));
    await rename(`${file}.json.part`, `${file}.json`);
  } finally {
    await handle.close().catch(() => undefined);
    await rm(`${file}.part`, { force: true });
  }
}
