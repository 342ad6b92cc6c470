import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatterOf, type TagEntry } from "../../src/cli/format-tags.js";
import { printable } from "../../src/cli/io.js";

const plain = { lang: "both", colour: false, width: 80 } as const;
const ms = { decode: 1.23456, preprocess: 0, inference: 2 };
const entryOf = (...tags: (readonly [en: string, zh: string, score: number])[]): TagEntry => ({ file: "a.jpg", tags: tags.map(([en, zh, score], id) => ({ id, en, zh, score, threshold: 0.5 })), ms });

/** Columns of a line, wide characters as two. */
const columns = (line: string): number => [...line].reduce((sum, c) => sum + (/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/.test(c) ? 2 : 1), 0);

test("text aligns English and Chinese beside bars", () => {
  assert.equal(
    formatterOf("text", plain).entry(entryOf(["dog", "狗 ", 1], ["golden retriever", "金毛猎犬", 0.5], ["off", "", 0]), 0),
    ["a.jpg", "  ████████████ 1.000  dog               狗", "  ██████······ 0.500  golden retriever  金毛猎犬", "  ············ 0.000  off", ""].join("\n"),
  );
});

test("text keeps to the terminal's width, however long the names", () => {
  for (const lang of ["en", "zh", "both"] as const) {
    for (const width of [40, 80, 120]) {
      const text = formatterOf("text", { ...plain, lang, width }).entry(entryOf(["word ".repeat(40), "标签".repeat(40), 0.9], ["x", "很".repeat(100), 0.8]), 0);
      for (const line of text.split("\n")) assert.ok(columns(line) <= width, `${columns(line)} columns: ${line}`);
    }
  }
});

test("text has colours only where asked for, and never those of a name", () => {
  const hostile: TagEntry = { file: "\u001b[2Ja\nb.jpg", tags: [{ id: 0, en: "\u001b[31mred", zh: "\u202e红", score: 1, threshold: null }], ms };
  const text = formatterOf("text", plain).entry(hostile, 0);
  assert.ok(!text.includes("\u001b") && !text.includes("\u202e"));
  assert.match(text, /^\\x1b\[2Ja\\nb\.jpg\n/);
  assert.match(text, /\\x1b\[31mred {2}\\u202e红/);
  assert.ok(formatterOf("text", { ...plain, colour: true }).entry(entryOf(["a", "b", 1]), 0).includes("\u001b[36m"));
});

test("text says so where there are no tags, and why where there is an error", () => {
  const { entry } = formatterOf("text", plain);
  assert.equal(entry(entryOf(), 0), "a.jpg\n  no tags above their thresholds\n");
  assert.equal(entry({ file: "a.jpg", error: { code: "image-empty", message: "a.jpg: is empty" } }, 1), "\na.jpg\n  error a.jpg: is empty (image-empty)\n");
});

test("json is an array whatever its length", () => {
  const { begin, entry, end } = formatterOf("json", plain);
  const entries = [entryOf(["a", "b", 0.25]), { file: "b", error: { code: "c", message: "d" } }];
  for (const count of [0, 1, 2]) {
    const text = begin + entries.slice(0, count).map(entry).join("") + end(count);
    assert.equal(JSON.parse(text).length, count);
    assert.ok(text.endsWith("]\n"));
  }
  assert.deepEqual(JSON.parse(entry(entries[0]!, 0)), { ...entries[0], ms: { decode: 1.23, preprocess: 0, inference: 2 } });
});

test("jsonl is one line an entry, whatever a file is called", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (file) => {
      const text = formatterOf("jsonl", plain).entry({ file, tags: [], ms }, 0);
      assert.equal(text.indexOf("\n"), text.length - 1);
      assert.equal(JSON.parse(text).file, file);
    }),
    { seed: 7 },
  );
});

/** The records of a text by RFC 4180. */
function parseCsv(text: string): string[][] {
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
  const records: string[][] = [[]];
  while (field.lastIndex < text.length) {
    const [, quoted, bare, end] = field.exec(text)!;
    records.at(-1)!.push(quoted?.replaceAll('""', '"') ?? bare!);
    if (end === "\r\n") records.push([]);
  }
  return records.slice(0, -1);
}

test("csv gives back every name by RFC 4180", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (file, en) => {
      const { begin, entry } = formatterOf("csv", plain);
      const text = begin + entry({ file, tags: [{ id: 3, en, zh: "", score: 0.5, threshold: null }], ms }, 0);
      assert.deepEqual(parseCsv(text), [
        ["file", "id", "en", "zh", "score", "threshold", "error"],
        [file, "3", en, "", "0.5", "", ""],
      ]);
    }),
    { seed: 7 },
  );
  assert.deepEqual(parseCsv(formatterOf("csv", plain).entry({ file: "a,b", error: { code: "c", message: 'the "d"' } }, 0)), [["a,b", "", "", "", "", "", 'c: the "d"']]);
});

test("reference joins names in id order, in the language asked for", () => {
  const entry = entryOf(["b", "二", 0.6], ["a", "一 ", 0.9]);
  const lines = (lang: "en" | "zh" | "both"): string => formatterOf("reference", { ...plain, lang }).entry(entry, 0);
  assert.equal(lines("en"), "b | a\n");
  assert.equal(lines("zh"), "二 | 一 \n");
  assert.equal(lines("both"), "b | a\n二 | 一 \n");
});

test("what a terminal would obey is shown instead", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => !/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u.test(printable(text))),
    { seed: 7 },
  );
  assert.equal(printable("né 狗 🐶"), "né 狗 🐶");
});
