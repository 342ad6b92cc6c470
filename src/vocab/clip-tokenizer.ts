import { createHash } from "node:crypto";
import { Tokenizer } from "@huggingface/tokenizers";
import { cleanText } from "./clean-text.js";
import { VocabularyError } from "./vocabulary-error.js";

export interface TokenizeOptions {
  /** Cut texts that are too long instead of throwing: the last token that fits becomes the end token. */
  readonly truncate: boolean;
  /** Most tokens, start and end included. @default 77 */
  readonly context?: number;
}

/** CLIP's byte-pair encoding. */
export interface ClipTokenizer {
  /** A sha256 of the merges: equal for equal token ids. */
  readonly id: string;
  /** Token ids from start to end token, not padded. Throws a VocabularyError (text-too-long) naming the text, unless it may be cut. */
  encode(text: string, options: TokenizeOptions): number[];
}

export const startToken = 49406;
export const endToken = 49407;
const special: Readonly<Record<string, number>> = { "<|startoftext|>": startToken, "<|endoftext|>": endToken };
/** Merges of CLIP's vocabulary: 49,408 ids less 2 x 256 bytes and two special tokens. */
export const mergeCount = 48_894;

/** Words, contractions, single digits and runs of other signs. Ignoring case, a long s is an s too; \s would be JavaScript's. */
const piece = /<\|startoftext\|>|<\|endoftext\|>|'[sſ]|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\p{L}\p{N}]+/gu;

/** Longer texts than any that a person describes a tag with: they are refused before they take time. */
const longestText = 20_000;
/** Words recur: most ids are looked up. */
const rememberedPieces = 50_000;
const longestRemembered = 40;

/** A tokenizer from the merges of CLIP's vocabulary, "a b" each, by rank. */
export function clipTokenizer(merges: readonly string[]): ClipTokenizer {
  const bytes = byteCharacters();
  const tokens = [...bytes, ...bytes.map((c) => `${c}</w>`), ...merges.map((merge) => merge.replace(" ", "")), ...Object.keys(special)];
  const unknown = tokens.at(-1)!;
  const tokenizer = new Tokenizer(
    {
      version: "1.0",
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      post_processor: null,
      decoder: null,
      model: { type: "BPE", vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges, unk_token: unknown, end_of_word_suffix: "</w>", continuing_subword_prefix: "", fuse_unk: false },
    },
    {},
  );
  const remembered = new Map<string, readonly number[]>();
  const idsOf = (word: string): readonly number[] => {
    const known = remembered.get(word);
    if (known !== undefined) return known;
    const ids = Object.hasOwn(special, word) ? [special[word]!] : tokenizer.encode(word, { add_special_tokens: false }).ids;
    if (remembered.size >= rememberedPieces) remembered.clear();
    if (word.length <= longestRemembered) remembered.set(word, ids);
    return ids;
  };
  return {
    id: createHash("sha256").update(merges.join("\n")).digest("hex"),
    encode(text, { truncate, context = 77 }) {
      if (text.length > longestText) throw new VocabularyError("text-too-long", quoted(text), `has ${text.length} characters, at most ${longestText} are read; shorten it`);
      const ids = [startToken];
      for (const [word] of cleanText(text).matchAll(piece)) {
        // Not spread into a call: one word may have more tokens than a call takes arguments.
        for (const id of idsOf(word)) ids.push(id);
        if (truncate && ids.length >= context) break;
      }
      ids.push(endToken);
      if (ids.length <= context) return ids;
      if (!truncate) throw new VocabularyError("text-too-long", quoted(text), `has ${ids.length} tokens, the text encoder reads at most ${context}; shorten it`);
      return [...ids.slice(0, context - 1), endToken];
    },
  };
}

const quoted = (text: string): string => `text ${JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text)}`;

/** A printable character for each byte, in the vocabulary's order: bytes that print stand for themselves and come first (GPT-2). */
function byteCharacters(): string[] {
  const own = [...range(0x21, 0x7e), ...range(0xa1, 0xac), ...range(0xae, 0xff)];
  const others = range(0, 0xff).filter((byte) => !own.includes(byte));
  return [...own, ...others.map((_, i) => 256 + i)].map((code) => String.fromCharCode(code));
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
