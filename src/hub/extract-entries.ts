import { createWriteStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fromRandomAccessReaderPromise, RandomAccessReader, type Entry } from "yauzl";
import { assertRoom, writeFault } from "./disk.js";
import { HubError } from "./hub-error.js";

const mostEntries = 10_000;
const largestEntry = 4 * 1024 ** 3;
const chunk = 1024 * 1024;

class FileReader extends RandomAccessReader {
  constructor(readonly handle: FileHandle) {
    super();
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#chunks(start, end), { objectMode: false });
  }

  async *#chunks(start: number, end: number): AsyncGenerator<Uint8Array> {
    for (let position = start; position < end; ) {
      const buffer = Buffer.alloc(Math.min(chunk, end - position));
      const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) throw new Error("the archive is cut off");
      yield buffer.subarray(0, bytesRead);
      position += bytesRead;
    }
  }

  override read(buffer: Buffer, offset: number, length: number, position: number, callback: (error: Error | null) => void): void {
    // The callback runs outside of the promise, so that what it throws is not taken for a failed read.
    void this.handle.read(buffer, offset, length, position).then(
      ({ bytesRead }) => setImmediate(callback, bytesRead === length ? null : new Error("the archive is cut off")),
      (error: Error) => setImmediate(callback, error),
    );
  }
}

/**
 * Writes entries of a zip archive into a folder under names of ours: those of the archive are compared, never used as paths.
 * Throws a HubError where an entry is missing or damaged, or the disk full.
 */
export async function extractEntries(archive: string, entries: Readonly<Record<string, string>>, folder: string, signal?: AbortSignal): Promise<void> {
  const bad = (problem: string, cause?: unknown): HubError => new HubError("bad-archive", archive, `${problem}: fetch it again`, { cause });
  await using handle = await open(archive, "r");
  const found = new Map<string, Entry>();
  let zip;
  try {
    zip = await fromRandomAccessReaderPromise(new FileReader(handle), (await handle.stat()).size, { autoClose: false, lazyEntries: true });
    if (zip.entryCount > mostEntries) throw new Error(`has ${zip.entryCount} entries`);
    for await (const entry of zip.eachEntry()) found.set(entry.fileName, entry);
  } catch (cause) {
    throw bad(`is no zip archive that can be read (${(cause as Error).message})`, cause);
  }
  const wanted = Object.entries(entries).map(([name, path]) => {
    const entry = found.get(path);
    if (entry === undefined) throw bad(`has no ${path}`);
    if (entry.uncompressedSize > largestEntry) throw bad(`${path} is larger than ${largestEntry} bytes`);
    return { file: join(folder, name), entry };
  });
  await assertRoom(folder, wanted.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0), archive);
  for (const { file, entry } of wanted) {
    try {
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(file), signal === undefined ? {} : { signal });
    } catch (cause) {
      signal?.throwIfAborted();
      if ((cause as NodeJS.ErrnoException).syscall === "write" || (cause as NodeJS.ErrnoException).syscall === "open") throw writeFault(cause, file);
      throw bad(`${entry.fileName} cannot be unpacked (${(cause as Error).message})`, cause);
    }
  }
}
