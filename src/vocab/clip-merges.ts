import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { mergeCount } from "./clip-tokenizer.js";
import { readBytes, readText } from "./read-text.js";
import { VocabularyError } from "./vocabulary-error.js";

/** OpenAI's file has 262,144 merges, of which CLIP uses the first; unpacked it has 3.2 MB. */
const openaiFile = "bpe_simple_vocab_16e6.txt.gz";
const largestUnpacked = 64 * 2 ** 20;

/**
 * The merges of CLIP's vocabulary from a folder: Hugging Face's `merges.txt`, else OpenAI's `bpe_simple_vocab_16e6.txt.gz`.
 * Throws a VocabularyError: not-found, unreadable, too-large, not-utf8, bad-merges.
 */
export async function readClipMerges(folder: string): Promise<string[]> {
  const file = join(folder, "merges.txt");
  try {
    return mergesOf(file, await readText(file));
  } catch (error) {
    if (!(error instanceof VocabularyError && error.code === "not-found")) throw error;
  }
  const packed = join(folder, openaiFile);
  const bytes = await readBytes(packed).catch((error: unknown) => {
    if (error instanceof VocabularyError && error.code === "not-found") throw new VocabularyError("not-found", folder, `has neither merges.txt nor ${openaiFile}, which the text encoder's tokenizer is made of`);
    throw error;
  });
  const text = await promisify(gunzip)(bytes, { maxOutputLength: largestUnpacked }).catch((cause: Error) => {
    throw new VocabularyError("bad-merges", packed, `cannot be unpacked: ${cause.message}`, { cause });
  });
  return mergesOf(packed, text.toString("utf8"));
}

function mergesOf(file: string, text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (!lines[0]!.includes("#version")) throw new VocabularyError("bad-merges", file, `line 1: expected "#version: ...", received ${JSON.stringify(lines[0]!.slice(0, 40))}`);
  const merges = lines.slice(1, 1 + mergeCount);
  const wrong = merges.findIndex((merge) => !/^[^ ]+ [^ ]+$/.test(merge));
  if (wrong >= 0) throw new VocabularyError("bad-merges", file, `line ${wrong + 2}: expected a pair of tokens, received ${JSON.stringify(merges[wrong]!.slice(0, 40))}; CLIP's vocabulary has ${mergeCount} merges`);
  if (merges.length < mergeCount) throw new VocabularyError("bad-merges", file, `has ${merges.length} merges, CLIP's vocabulary ${mergeCount}`);
  return merges;
}
