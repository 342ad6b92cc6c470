import { constants } from "node:fs";
import { open, readFile, rename, rm, writeFile, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Hash } from "node:crypto";
import type { Readable } from "node:stream";
import { digestStart, startDigest, type Digest } from "./digest.js";
import { assertRoom, fileSize, makeFolder, writeFault } from "./disk.js";
import { lockFile } from "./file-lock.js";
import type { HttpClient } from "./http-client.js";
import { networkError, shownUrl } from "./http-error.js";
import { HubError } from "./hub-error.js";
import { withRetries, type Timing } from "./timing.js";
import { progressMeter, type TransferProgress } from "./transfer-progress.js";

/** A file to fetch. */
export interface WantedFile {
  /** For people. */
  readonly name: string;
  readonly url: string;
  /** Where it goes; until it is whole and verified it lies beside, with `.incomplete` behind its name. */
  readonly file: string;
  readonly size: number;
  readonly digest: Digest;
}

export interface DownloadOptions {
  /** Folder for locks and for what servers call the state of half files. */
  readonly stateFolder: string;
  readonly timing: Timing;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Writes a chunk at a position. @default the handle's own write */
  readonly write?: (handle: FileHandle, chunk: Uint8Array, position: number) => Promise<void>;
}

/**
 * Fetches a file, going on where an earlier run was interrupted. The file appears under its name only when its size and hash
 * are right. Throws a HubError for what server, network or disk refuse, and the signal's reason when aborted; what has
 * arrived is kept for the next run, unless its hash is wrong.
 */
export async function downloadFile(client: HttpClient, wanted: WantedFile, options: DownloadOptions): Promise<void> {
  const { name, file, size } = wanted;
  const { stateFolder, timing, signal } = options;
  const meter = progressMeter(name, size, options.onProgress);
  await makeFolder(dirname(file));
  const lock = join(stateFolder, `${wanted.digest.hex}.lock`);
  await using _held = await lockFile(lock, { timing, ...(signal === undefined ? {} : { signal }), onWait: () => meter("waiting", 0) });
  if ((await fileSize(file)) === size) return meter("done", size);
  const partial = `${file}.incomplete`;
  const etagFile = join(stateFolder, `${wanted.digest.hex}.etag`);
  // A wrong hash is given one more chance, from the first byte on: the fault may lie in what an earlier run left.
  for (let fresh = false; ; fresh = true) {
    if (fresh) await rm(partial, { force: true });
    await using transfer = await startTransfer(client, { wanted, partial, etagFile, options, meter });
    if (await transfer.run()) break;
    await rm(partial, { force: true });
    await rm(etagFile, { force: true });
    if (fresh) throw new HubError("wrong-hash", name, `${wanted.url.split("?")[0]} twice gave other bytes than its ${wanted.digest.kind === "gitOid" ? "git id" : wanted.digest.kind} ${wanted.digest.hex} says: it was changed or damaged there or on the way; nothing was kept. Try another mirror (HF_ENDPOINT) or network`);
  }
  try {
    await rename(partial, file);
  } catch (cause) {
    throw writeFault(cause, file);
  }
  await rm(etagFile, { force: true });
  meter("done", size);
}

interface Transfer extends AsyncDisposable {
  /** Fetches to the end; whether the hash is right. */
  run(): Promise<boolean>;
}

interface TransferContext {
  readonly wanted: WantedFile;
  readonly partial: string;
  readonly etagFile: string;
  readonly options: DownloadOptions;
  readonly meter: (phase: TransferProgress["phase"], received: number) => void;
}

async function startTransfer(client: HttpClient, { wanted, partial, etagFile, options, meter }: TransferContext): Promise<Transfer> {
  const { name, size, digest } = wanted;
  const { timing, signal } = options;
  const write = options.write ?? writeAll;
  const onDisk = async <T>(work: Promise<T>): Promise<T> =>
    work.catch((cause: unknown) => {
      throw writeFault(cause, partial);
    });
  const handle = await onDisk(open(partial, constants.O_RDWR | constants.O_CREAT, 0o644));
  let hash: Hash = startDigest(digest, size);
  let received = 0;
  let etag: string | null = null;

  /** Throws away what is there. */
  const restart = async (): Promise<void> => {
    await onDisk(handle.truncate(0));
    [hash, received] = [startDigest(digest, size), 0];
  };
  const resume = async (): Promise<void> => {
    const there = (await handle.stat()).size;
    if (there > size) return restart();
    etag = await readFile(etagFile, "utf8").catch(() => null);
    await digestStart(handle, there, hash, (bytes) => meter("checking", bytes), signal);
    received = there;
  };
  const attempt = async (gained: () => void): Promise<void> => {
    if (received === size) return;
    // A weak etag says nothing about bytes.
    const strong = etag !== null && /^"[\x21\x23-\x7e]*"$/.test(etag) ? { "if-range": etag } : {};
    const range: Readonly<Record<string, string>> = received > 0 ? { range: `bytes=${received}-`, ...strong } : {};
    const answer = await client.open(wanted.url, { subject: name, headers: range, ...(signal === undefined ? {} : { signal }) });
    try {
      if (answer.status === 416) {
        await restart();
        throw new HubError("connection-lost", name, `${shownUrl(answer.url)} has less of the file than has arrived: start again`);
      }
      if (answer.status === 206) {
        const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.headers["content-range"] ?? "") ?? [];
        if (received === 0 || Number(start) !== received || (total !== "*" && Number(total) !== size)) {
          await restart();
          throw new HubError("wrong-size", name, `${shownUrl(answer.url)} sends another part than was asked for (${answer.headers["content-range"] ?? "unnamed"}), or the file's size changed: expected ${size} bytes in all`);
        }
      } else {
        const length = answer.headers["content-length"];
        if (length !== undefined && Number(length) !== size) throw new HubError("wrong-size", name, `${shownUrl(answer.url)} has ${length} bytes, expected ${size}: the file was changed there, or a page of the network stands in its place; check HF_ENDPOINT and the proxy`);
        if (/^text\/html\b/i.test(answer.headers["content-type"] ?? "")) throw new HubError("bad-answer", name, `${shownUrl(answer.url)} answers with a page instead of the file: log in to the network, or check HF_ENDPOINT and the proxy`);
        // The whole file: the server knows no ranges, or the file is another one by now.
        if (received > 0) await restart();
      }
      etag = answer.headers["etag"] ?? null;
      if (etag !== null) await onDisk(writeFile(etagFile, etag));
      const before = received;
      await watched(answer.body, timing, name, answer.url, async (chunk) => {
        if (received + chunk.byteLength > size) throw new HubError("too-large", name, `${shownUrl(answer.url)} sends more than the ${size} bytes that the file has: check HF_ENDPOINT and the proxy`);
        await onDisk(write(handle, chunk, received));
        hash.update(chunk);
        received += chunk.byteLength;
        if (received - before >= timing.leastBytes) gained();
        meter("downloading", received);
      });
      if (received < size) throw new HubError("connection-lost", name, `${shownUrl(answer.url)} ended after ${received} of ${size} bytes: start again, what has arrived is kept`);
    } catch (cause) {
      signal?.throwIfAborted();
      throw networkError(cause, name, answer.url);
    } finally {
      answer.body.destroy();
    }
  };
  return {
    async run() {
      await resume();
      await assertRoom(dirname(partial), size - received, name);
      await withRetries(timing, signal, attempt);
      await onDisk(handle.sync());
      return hash.digest("hex") === digest.hex;
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** Feeds a body to `take`, and gives it up when too little comes in a while. */
async function watched(body: Readable, { stall, leastBytes }: Timing, name: string, url: URL, take: (chunk: Uint8Array) => Promise<void>): Promise<void> {
  let [came, before] = [0, 0];
  const watch = setInterval(() => {
    if (came - before < leastBytes) body.destroy(new HubError("stalled", name, `${shownUrl(url)} sends nothing, or next to nothing: start again later, what has arrived is kept`));
    before = came;
  }, stall);
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      came += chunk.byteLength;
      await take(chunk);
    }
  } finally {
    clearInterval(watch);
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.byteLength; ) done += (await handle.write(chunk, done, chunk.byteLength - done, position + done)).bytesWritten;
}
