import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { cleanText } from "../../src/vocab/clean-text.js";
import { readClipMerges } from "../../src/vocab/clip-merges.js";
import { clipTokenizer, endToken, mergeCount, startToken, type ClipTokenizer } from "../../src/vocab/clip-tokenizer.js";
import { VocabularyError } from "../../src/vocab/vocabulary-error.js";
import { shared, sharedMissing } from "../shared-data.js";

const skip = sharedMissing("parity/clip_text_mini");
let folder = "";
let tokenizer: ClipTokenizer;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "ramplus-merges-"));
  if (skip === false) tokenizer = clipTokenizer(await readClipMerges(shared("parity/clip_text_mini")));
});
after(() => rmSync(folder, { recursive: true, force: true }));

interface ParityText {
  readonly text: string;
  readonly ids: readonly number[];
  readonly cleaned: string;
  readonly truncated: boolean;
  readonly length: number;
}

test("the 20 texts of the reference have its ids, cut and not", { skip }, () => {
  const texts = JSON.parse(readFileSync(shared("parity/clip_text_mini/texts.json"), "utf8")) as ParityText[];
  assert.equal(texts.length, 20);
  for (const { text, ids, cleaned, truncated, length } of texts) {
    assert.equal(cleanText(text), cleaned);
    const whole = [startToken, ...ids, endToken];
    assert.equal(whole.length, length);
    assert.deepEqual(tokenizer.encode(text, { truncate: false, context: 1000 }), whole, text);
    assert.deepEqual(tokenizer.encode(text, { truncate: true }), truncated ? [...whole.slice(0, 76), endToken] : whole, text);
    if (truncated) assert.throws(() => tokenizer.encode(text, { truncate: false }), { name: "VocabularyError", code: "text-too-long" });
  }
});

test("the ids agree with Hugging Face's vocabulary file", { skip }, async () => {
  const vocab = JSON.parse(readFileSync(shared("parity/clip_text_mini/vocab.json"), "utf8")) as Record<string, number>;
  const ascii = Object.keys(vocab).filter((token) => /^[a-z]{2,12}<\/w>$/.test(token)).filter((_, i) => i % 10 === 0);
  assert.ok(ascii.length > 1000);
  // A word that is one token as a whole is found as that token, unless a contraction or a merge of lower rank takes it apart.
  const whole = ascii.filter((token) => tokenizer.encode(token.slice(0, -4), { truncate: false })[1] === vocab[token]);
  assert.ok(whole.length / ascii.length > 0.999, `${whole.length} of ${ascii.length}`);
});

test("arbitrary Unicode is tokenised: it begins with the start, ends with the end token and fits", { skip }, () => {
  const odd = fc.constantFrom("\ud800", "\udfff", "\0", "\u0301\u0327", "שלום", "عربي", "👩‍🍳", "\u202e", "\ufeff", "&#0;", "&amp;amp;", "<|endoftext|>", "<|startoftext|>", "ǅ", "İ", "ſ", "'ſ", "\u2028", "\x1b[31m", "𝒳", "\uffff");
  const text = fc.array(fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }), odd), { maxLength: 12 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)), maxLength: 120 }), (a, b) => {
      for (const each of [a, b, a + b]) {
        const ids = tokenizer.encode(each, { truncate: true });
        assert.equal(ids[0], startToken);
        assert.equal(ids.at(-1), endToken);
        assert.ok(ids.length >= 2 && ids.length <= 77);
        assert.ok(ids.every((id) => Number.isInteger(id) && id >= 0 && id <= endToken), JSON.stringify(each));
        try {
          assert.deepEqual(tokenizer.encode(each, { truncate: false }), ids);
        } catch (error) {
          if (!(error instanceof VocabularyError)) throw error;
          assert.equal(error.code, "text-too-long");
          assert.equal(ids.length, 77);
        }
      }
    }),
    { seed: 12, numRuns: 400 },
  );
});

test("a very long word is cut, and a longer text refused", { skip }, () => {
  assert.equal(tokenizer.encode("日".repeat(20_000), { truncate: true }).length, 77);
  assert.throws(() => tokenizer.encode("a".repeat(20_001), { truncate: true }), { code: "text-too-long" });
});

test("text is repaired as the original does: quotes, ligatures, width, controls, composition, entities twice", () => {
  for (const [text, cleaned] of [
    ["“a” ‘b’ ʼc ŉ", "\"a\" 'b' 'c 'n"],
    ["ﬁﬂﬀﬆ ﬅ ǆ Ĳ", "fiflffst ſt dž ij"],
    ["ＡＢＣ１２３　！ ｶﾞ", "abc123 ! カ\u3099".normalize("NFC")],
    ["a\0b\x07c\ufeffd\x7f", "abcd"],
    ["e\u0301", "é"],
    ["\x1b[31mred\x1b[0m", "red"],
    ["\x93hi\x94 \x85", '"hi" …'],
    ["&amp;lt;b&amp;gt; &copy &notit; &#x80; &#55296;", "<b> © ¬it; € \ufffd"],
    ["&amp;amp;amp;", "&amp;"],
    ["\ud800x\udc00", "\ufffdx\ufffd"],
    ["\u3000 a\u00a0\u2003b\u2029c\x1f ", "a b c"],
    ["ΣΑΣ İ", "σας i\u0307"],
  ] as const) {
    assert.equal(cleanText(text), cleaned, JSON.stringify(text));
  }
});

test("merges come from merges.txt or from OpenAI's file, with equal ids", { skip }, async () => {
  copyFileSync(shared("parity/clip_text_mini/bpe_simple_vocab_16e6.txt.gz"), join(folder, "bpe_simple_vocab_16e6.txt.gz"));
  assert.equal(clipTokenizer(await readClipMerges(folder)).id, tokenizer.id);
});

test("merges that are missing or damaged are errors that name the file and the line", async () => {
  const cases: [string, Record<string, string | Uint8Array>, string, RegExp][] = [
    ["empty", {}, "not-found", /neither merges\.txt nor bpe_simple_vocab/],
    ["version", { "merges.txt": "a b\n" }, "bad-merges", /line 1: expected "#version/],
    ["pair", { "merges.txt": "#version: 0.2\na b\nabc\n" }, "bad-merges", /line 3: expected a pair of tokens, received "abc"/],
    ["short", { "merges.txt": "#version: 0.2\na b" }, "bad-merges", new RegExp(`has 1 merges, CLIP's vocabulary ${mergeCount}`)],
    ["packed", { "bpe_simple_vocab_16e6.txt.gz": "no gzip" }, "bad-merges", /cannot be unpacked/],
    ["bomb", { "bpe_simple_vocab_16e6.txt.gz": gzipSync(Buffer.alloc(80 * 2 ** 20)) }, "bad-merges", /cannot be unpacked/],
  ];
  for (const [name, files, code, message] of cases) {
    const own = join(folder, name);
    mkdirSync(own);
    for (const [file, content] of Object.entries(files)) writeFileSync(join(own, file), content);
    await assert.rejects(readClipMerges(own), { name: "VocabularyError", code, message });
  }
});
