import { createHash } from "node:crypto";
import { mkdir, open, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { Description } from "../vocab/descriptions.js";
import { openSetThreshold, type TagBank, type WordEncoder } from "../vocab/tag-bank.js";
import { bankName, writeBank, type WriteBankOptions } from "../vocab/bank-file.js";
import { VocabularyError } from "../vocab/vocabulary-error.js";

export interface BuildBankOptions extends WriteBankOptions {
  /** Chinese names by tag. @default the tags' own names */
  readonly zh?: ReadonlyMap<string, string>;
  /** Threshold of every tag. @default 0.5 */
  readonly threshold?: number;
  /** Cut texts of more than 77 tokens, as the reference does with descriptions; else they are an error. @default true */
  readonly truncate?: boolean;
  readonly signal?: AbortSignal;
  /** Told how many texts are encoded, those of an earlier run included. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Texts between two savings. */
const groupTexts = 256;

/**
 * Encodes descriptions of tags, one row a text, and writes the bank. What is encoded is kept in `FILE.part` as it comes: the same
 * call goes on after an interruption, to the same rows. Throws a VocabularyError (unwritable), what the encoder throws, and the
 * signal's reason when aborted.
 */
export async function buildBank(file: string, descriptions: readonly Description[], encoder: WordEncoder, options: BuildBankOptions = {}): Promise<TagBank> {
  const { zh, threshold = openSetThreshold, truncate = true, signal, onProgress, ...writing } = options;
  const texts = descriptions.flatMap((description) => description.texts);
  const key = createHash("sha256").update(JSON.stringify([encoder.id, truncate, texts])).digest();
  const part = `${file}.part`;
  const rows = new Float32Array(texts.length * encoder.width);
  try {
    await mkdir(dirname(file), { recursive: true });
    const kept = await openPart(part, key);
    try {
      for (let done = await readRows(kept, key.length, rows, encoder.width); done < texts.length; ) {
        onProgress?.(done, texts.length);
        signal?.throwIfAborted();
        const encoded = await encoder.encode(texts.slice(done, done + groupTexts), { truncate, ...(signal && { signal }) });
        rows.set(encoded, done * encoder.width);
        const bytes = new Uint8Array(encoded.buffer, encoded.byteOffset, encoded.byteLength);
        await writeAt(kept, bytes, key.length + 4 * done * encoder.width);
        done += encoded.length / encoder.width;
      }
    } finally {
      await kept.close();
    }
  } catch (cause) {
    if (cause instanceof Error && "syscall" in cause) throw new VocabularyError("unwritable", part, `cannot be written: ${cause.message}`, { cause });
    throw cause;
  }
  onProgress?.(texts.length, texts.length);
  let row = 0;
  const tags = descriptions.map((description) => ({ en: description.tag, zh: zh?.get(description.tag) ?? description.tag, threshold, rows: rows.subarray(row * encoder.width, (row += description.texts.length) * encoder.width) }));
  const bank: TagBank = { name: bankName(file), width: encoder.width, origin: { kind: "text-encoder", id: encoder.id }, tags };
  await writeBank(file, bank, writing);
  await rm(part, { force: true });
  return bank;
}

/** Opens what an earlier run of the same work kept, or begins anew. */
async function openPart(part: string, key: Uint8Array): Promise<FileHandle> {
  const handle = await open(part, "a+").then(async (made) => (await made.close(), open(part, "r+")));
  try {
    const head = new Uint8Array(key.length);
    const { bytesRead } = await handle.read(head, 0, key.length, 0);
    if (bytesRead === key.length && head.every((v, i) => v === key[i])) return handle;
    await handle.truncate(0);
    await writeAt(handle, key, 0);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Whole rows that are there. */
async function readRows(handle: FileHandle, start: number, rows: Float32Array, width: number): Promise<number> {
  const target = new Uint8Array(rows.buffer);
  let end = 0;
  for (;;) {
    const { bytesRead } = await handle.read(target, end, Math.min(target.length - end, 1 << 28), start + end);
    end += bytesRead;
    if (bytesRead === 0 || end === target.length) return Math.floor(end / (4 * width));
  }
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}
