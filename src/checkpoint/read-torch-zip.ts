import { fromRandomAccessReaderPromise, RandomAccessReader, type Entry, type ZipFile } from "yauzl";
import { byteSize } from "../tensor/dtype.js";
import type { ByteSource } from "./byte-source.js";
import { CheckpointError } from "./checkpoint-error.js";
import type { Checkpoint, StoredTensor } from "./checkpoint.js";
import type { TorchStorage } from "./pickle-value.js";
import { readPickle } from "./read-pickle.js";
import { torchStoredTensor, torchWeights } from "./torch-weights.js";

/** Entries of the archive: one a storage. */
const entryLimit = 100_000;
/** Bytes of the archive's directory. */
const directoryLimit = 2 ** 26;

/** The weights of a PyTorch file in zip form; takes the source over. Throws CheckpointError. */
export async function openTorchZip(source: ByteSource): Promise<Checkpoint> {
  const { file } = source;
  const { archive, entries } = await readDirectory(source);
  const pickleName = [...entries.keys()].filter((name) => name.endsWith("/data.pkl")).sort((a, b) => a.length - b.length)[0];
  if (pickleName === undefined) throw new CheckpointError(file, { code: "not-a-checkpoint", problem: "a zip archive without data.pkl" });
  const root = pickleName.slice(0, -"data.pkl".length);

  const order = entries.get(`${root}byteorder`);
  if (order !== undefined && order.uncompressedSize <= 16) {
    const word = await source.read(await dataStart(source, archive, order), order.uncompressedSize);
    if (word.toString("latin1") !== "little") throw new CheckpointError(file, { code: "big-endian" });
  }
  const pickle = entries.get(pickleName)!;
  const position = await dataStart(source, archive, pickle);
  const { value } = await readPickle(source, position, position + pickle.uncompressedSize);

  const starts = new Map<string, Promise<number>>();
  const locate = ({ key }: TorchStorage): Promise<number> => {
    const start = starts.get(key) ?? dataStart(source, archive, entries.get(`${root}data/${key}`)!);
    starts.set(key, start);
    return start;
  };
  const tensors = new Map<string, StoredTensor>();
  for (const [name, view] of torchWeights(file, value)) {
    const { key, dtype, elements } = view.storage;
    const entry = entries.get(`${root}data/${key}`);
    if (entry === undefined) throw new CheckpointError(file, { code: "missing-storage", tensor: name, storage: key });
    checkStored(file, entry);
    const expected = elements * byteSize(dtype);
    if (entry.uncompressedSize !== expected) throw new CheckpointError(file, { code: "wrong-storage-size", storage: key, expected, actual: entry.uncompressedSize });
    tensors.set(name, torchStoredTensor(source, name, view, locate));
  }
  return { file, format: "torch-zip", tensors, metadata: new Map(), close: () => source.close(), [Symbol.asyncDispose]: () => source.close() };
}

/** Reads the central directory. yauzl's own reader of files would throw where nobody can catch it when an archive names absurd positions. */
async function readDirectory(source: ByteSource): Promise<{ archive: ZipFile; entries: Map<string, Entry> }> {
  const reader = new SourceReader(source);
  const entries = new Map<string, Entry>();
  try {
    const archive = await fromRandomAccessReaderPromise(reader, source.size, { autoClose: false, lazyEntries: true, decodeStrings: true });
    if (archive.entryCount > entryLimit) throw new CheckpointError(source.file, { code: "too-large", what: "entries of the archive", actual: archive.entryCount, limit: entryLimit });
    let directory = 0;
    for await (const entry of archive.eachEntry()) {
      directory += 46 + entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength;
      if (directory > directoryLimit) throw new CheckpointError(source.file, { code: "too-large", what: "bytes of the archive's directory", actual: directory, limit: directoryLimit });
      if (entries.has(entry.fileName)) throw new CheckpointError(source.file, { code: "bad-archive", problem: `entry ${entry.fileName} occurs twice` });
      entries.set(entry.fileName, entry);
    }
    checkApart(source, [...entries.values()]);
    return { archive, entries };
  } catch (cause) {
    throw asArchiveError(source.file, cause);
  }
}

/** Refuses entries that share bytes, which is how an archive unpacks to more than it holds, and those that reach past its end. */
function checkApart({ file, size }: ByteSource, entries: readonly Entry[]): void {
  const ordered = [...entries].sort((a, b) => a.relativeOffsetOfLocalHeader - b.relativeOffsetOfLocalHeader);
  for (const [i, entry] of ordered.entries()) {
    const next = ordered[i + 1];
    // The local header's own extra field is not known here, so this is the least that an entry takes.
    const end = entry.relativeOffsetOfLocalHeader + 30 + entry.fileNameLength + entry.compressedSize;
    if (end > size) throw new CheckpointError(file, { code: "truncated", needed: end, available: size });
    if (next !== undefined && next.relativeOffsetOfLocalHeader < end) throw new CheckpointError(file, { code: "bad-archive", problem: `entries ${entry.fileName} and ${next.fileName} overlap` });
  }
}

class SourceReader extends RandomAccessReader {
  constructor(readonly source: ByteSource) {
    super();
  }

  override read(buffer: Buffer, offset: number, length: number, position: number, callback: (error: Error | null) => void): void {
    // The callback runs outside of the promise, so that what it throws is not taken for a failed read.
    void this.source.readInto(buffer.subarray(offset, offset + length), position).then(
      () => setImmediate(callback, null),
      (error: Error) => setImmediate(callback, error),
    );
  }
}

function checkStored(file: string, entry: Entry): void {
  if (entry.isEncrypted()) throw new CheckpointError(file, { code: "bad-archive", problem: `entry ${entry.fileName} is encrypted` });
  if (entry.compressionMethod !== 0) throw new CheckpointError(file, { code: "compressed-entry", entry: entry.fileName });
}

/** Where an entry's bytes begin; its local header is read for that. */
async function dataStart({ file }: ByteSource, archive: ZipFile, entry: Entry): Promise<number> {
  checkStored(file, entry);
  try {
    return (await archive.readLocalFileHeaderPromise(entry, { minimal: true })).fileDataStart;
  } catch (cause) {
    throw asArchiveError(file, cause);
  }
}

function asArchiveError(file: string, cause: unknown): CheckpointError {
  return cause instanceof CheckpointError ? cause : new CheckpointError(file, { code: "bad-archive", problem: (cause as Error).message }, { cause });
}
