import { byteSize } from "../tensor/dtype.js";
import type { ByteSource } from "./byte-source.js";
import { CheckpointError } from "./checkpoint-error.js";
import type { Checkpoint, StoredTensor } from "./checkpoint.js";
import type { PickleValue } from "./pickle-value.js";
import type { Unpickled } from "./pickle.js";
import { readPickle } from "./read-pickle.js";
import { torchStoredTensor, torchWeights } from "./torch-weights.js";

const magicNumber = 0x1950a86a20f9469cfc6cn;
const protocolVersion = 1001;

/** The file's first bytes, after the two of the pickle's protocol: the magic number as an integer of ten bytes. */
export const legacyMagic = Buffer.from([0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]);

/** A pickle's value for a message; what is made of other values may be of any depth and length. */
const shown = (value: PickleValue): string => (typeof value === "object" && value !== null ? "that is no text or number" : String(value));

/**
 * The weights of a PyTorch file in the form before zip; takes the source over. Five pickles (magic number, protocol, facts about the machine,
 * the object, the storages' keys), then each storage as its number of elements and its bytes. Throws CheckpointError.
 */
export async function openTorchLegacy(source: ByteSource): Promise<Checkpoint> {
  const { file, size } = source;
  let position = 0;
  const next = async (): Promise<Unpickled> => {
    const read = await readPickle(source, position, size);
    position = read.end;
    return read;
  };
  const unknown = (problem: string): CheckpointError => new CheckpointError(file, { code: "not-a-checkpoint", problem });
  if ((await next()).value !== magicNumber) throw unknown("another magic number than PyTorch's");
  const { value: protocol } = await next();
  if (protocol !== protocolVersion) throw unknown(`PyTorch's protocol ${shown(protocol)}, expected ${protocolVersion}`);
  const { value: machine } = await next();
  if (machine instanceof Map && machine.get("little_endian") === false) throw new CheckpointError(file, { code: "big-endian" });
  const object = await next();
  // All that the object names, weights or not: they lie in the file one behind the other.
  const storages = new Map(object.storages.map((storage) => [storage.key, storage]));
  const { value: keys } = await next();
  if (!Array.isArray(keys)) throw unknown("no list of storages after the object");

  const starts = new Map<string, number>();
  for (const key of keys) {
    const storage = typeof key === "string" ? storages.get(key) : undefined;
    // Without an element type nobody could say where the next storage begins.
    if (storage === undefined) throw unknown(`storage ${shown(key)} belongs to no tensor`);
    if (starts.has(storage.key)) throw unknown(`storage ${storage.key} is listed twice`);
    const elements = Number((await source.read(position, 8)).readBigInt64LE(0));
    if (elements !== storage.elements) throw new CheckpointError(file, { code: "wrong-storage-size", storage: storage.key, expected: storage.elements * byteSize(storage.dtype), actual: elements * byteSize(storage.dtype) });
    starts.set(storage.key, position + 8);
    position += 8 + elements * byteSize(storage.dtype);
    if (position > size) throw new CheckpointError(file, { code: "truncated", needed: position, available: size });
  }
  const tensors = new Map<string, StoredTensor>();
  for (const [name, view] of torchWeights(file, object.value)) {
    const start = starts.get(view.storage.key);
    if (start === undefined) throw new CheckpointError(file, { code: "missing-storage", tensor: name, storage: view.storage.key });
    const known = storages.get(view.storage.key)!;
    const expected = known.elements * byteSize(known.dtype);
    const actual = view.storage.elements * byteSize(view.storage.dtype);
    if (actual !== expected) throw new CheckpointError(file, { code: "wrong-storage-size", storage: view.storage.key, expected, actual });
    tensors.set(name, torchStoredTensor(source, name, view, () => Promise.resolve(start)));
  }
  return { file, format: "torch-legacy", tensors, metadata: new Map(), close: () => source.close(), [Symbol.asyncDispose]: () => source.close() };
}
