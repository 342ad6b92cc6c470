import { byteSize, viewAs } from "../tensor/dtype.js";
import type { Tensor } from "../tensor/tensor.js";
import { openByteSource, type ByteSource } from "./byte-source.js";
import { CheckpointError } from "./checkpoint-error.js";
import type { Checkpoint, StoredTensor } from "./checkpoint.js";
import { parseSafetensorsHeader, type HeaderEntry } from "./safetensors-header.js";
import { tensorBuffer } from "./tensor-buffer.js";

/** The format allows 100 MB, of which JSON makes gigabytes in memory; 100,000 tensors take half of this. */
const headerLimit = 2 ** 24;

/** The tensors of a safetensors file; takes the source over. Throws CheckpointError. */
export async function openSafetensors(source: ByteSource): Promise<Checkpoint> {
  const { file, size } = source;
  if (size < 8) throw new CheckpointError(file, { code: "truncated", needed: 8, available: size });
  const length = (await source.read(0, 8)).readBigUInt64LE(0);
  if (length > headerLimit) throw new CheckpointError(file, { code: "too-large", what: "length of the safetensors header", actual: Number(length), limit: headerLimit });
  const data = 8 + Number(length);
  const header = parseSafetensorsHeader(file, await source.read(8, Number(length)), size - data);
  return {
    file,
    format: "safetensors",
    tensors: new Map(header.entries.map((entry) => [entry.name, storedTensor(source, data, entry)])),
    metadata: header.metadata,
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  };
}

function storedTensor(source: ByteSource, base: number, { name, dtype, shape, begin, end }: HeaderEntry): StoredTensor {
  return {
    name,
    dtype,
    shape,
    async read() {
      const bytes = tensorBuffer(source.file, name, end - begin);
      await source.readInto(new Uint8Array(bytes), base + begin);
      return { dtype, shape, data: viewAs(dtype, bytes, 0, bytes.byteLength / byteSize(dtype)) } as Tensor;
    },
  };
}

/** Reads a whole safetensors file into memory, in the file's order. Throws CheckpointError. */
export async function readSafetensors(file: string): Promise<Map<string, Tensor>> {
  return (await readSafetensorsFile(file)).tensors;
}

/** As `readSafetensors`, with the file's metadata. */
export async function readSafetensorsFile(file: string): Promise<{ readonly tensors: Map<string, Tensor>; readonly metadata: ReadonlyMap<string, string> }> {
  const source = await openByteSource(file);
  try {
    const { tensors, metadata } = await openSafetensors(source);
    const read = new Map<string, Tensor>();
    for (const [name, stored] of tensors) read.set(name, await stored.read());
    return { tensors: read, metadata };
  } finally {
    await source.close();
  }
}
