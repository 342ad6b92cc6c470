import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readTextList, readThresholdList, tagsFromLists } from "../../src/vocab/text-lists.js";
import { VocabularyError, type VocabularyErrorCode } from "../../src/vocab/vocabulary-error.js";
import { ancestors, loadHypernyms } from "../../src/vocab/wordnet.js";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "ramplus-lists-"));
});
after(() => rm(folder, { recursive: true }));

async function written(content: string | Uint8Array): Promise<string> {
  const file = join(folder, "list.txt");
  await writeFile(file, content);
  return file;
}
const is =
  (code: VocabularyErrorCode, message: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof VocabularyError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };

test("the final line break may be missing, and blanks at the end of an entry stay", async () => {
  assert.deepEqual(await readTextList(await written("dog\n狗 \ncat")), ["dog", "狗 ", "cat"]);
  assert.deepEqual(await readTextList(await written("dog\ncat\n")), ["dog", "cat"]);
});

test("CRLF line ends and a byte order mark are no part of the entries", async () => {
  assert.deepEqual(await readTextList(await written("\ufeffdog\r\ncat\r\n")), ["dog", "cat"]);
});

test("a list that cannot be read says why", async () => {
  await assert.rejects(readTextList(join(folder, "none.txt")), is("not-found", /none\.txt: no such file/));
  await assert.rejects(readTextList(folder), is("unreadable", /no regular file/));
  await assert.rejects(readTextList(await written(Uint8Array.of(0x64, 0xff, 0x0a))), is("not-utf8", /UTF-8/));
  await assert.rejects(readTextList(await written("")), is("bad-list", /is empty/));
  await assert.rejects(readTextList(await written("dog\n\ncat\n")), is("bad-list", /line 2 is empty/));
  await assert.rejects(readTextList(await written("dog\rcat\n")), is("bad-list", /line 1 has a carriage return/));
});

test("thresholds are numbers from 0 to 1", async () => {
  assert.deepEqual(await readThresholdList(await written("0.65\n1\n0\n")), [0.65, 1, 0]);
  for (const line of ["1.2", "-0.1", "NaN", "0x1", "half", "0,65"]) {
    await assert.rejects(readThresholdList(await written(`0.5\n${line}\n`)), is("bad-number", /line 2: expected a threshold/));
  }
});

test("lists of one length become tags; others are refused with their lengths", () => {
  assert.deepEqual(tagsFromLists(["dog", "cat"], ["狗 ", "猫"], [0.65, 1]), [
    { id: 0, en: "dog", zh: "狗 ", threshold: 0.65 },
    { id: 1, en: "cat", zh: "猫", threshold: 1 },
  ]);
  assert.throws(() => tagsFromLists(["dog", "cat"], ["狗"], [0.65, 1]), is("length-mismatch", /2 English names, 1 Chinese names and 2 thresholds/));
  assert.throws(() => tagsFromLists(["dog"], ["狗"], []), is("length-mismatch", /0 thresholds/));
  assert.throws(() => tagsFromLists(["dog"], ["狗"], [Number.NaN]), is("bad-number", /dog/));
});

test("the published lists make 4,585 tags with the published facts", async () => {
  const tags = tagsFromLists(
    await readTextList("models/published/ram_tag_list.txt"),
    await readTextList("models/published/ram_tag_list_chinese.txt"),
    await readThresholdList("models/published/ram_tag_list_threshold.txt"),
  );
  assert.equal(tags.length, 4585);
  assert.equal(tags[4]!.en, "monastery");
  assert.equal(tags.filter((tag) => tag.threshold === 0.65).length, 3414);
  assert.equal(tags.filter((tag) => tag.threshold === 1).length, 10);
  assert.equal(tags.filter((tag) => tag.zh.endsWith(" ")).length, 2579);
});

test("hypernyms are read, and ancestors end even where synsets form a ring", async () => {
  const synset = (parents: string[]) => ({ words: ["w"], gloss: "g", parents });
  const hypernyms = await loadHypernyms(await written(JSON.stringify({ n00000001: synset(["n00000002"]), n00000002: synset(["n00000001", "n00000003"]) })));
  assert.deepEqual(hypernyms["n00000001"], { words: ["w"], parents: ["n00000002"] });
  assert.deepEqual(ancestors("n00000001", hypernyms), new Set(["n00000001", "n00000002", "n00000003"]));
  assert.deepEqual(ancestors("n99999999", hypernyms), new Set());
});

test("hypernyms of another form are refused", async () => {
  for (const text of ["{", "[]", '{"dog": {"words": [], "parents": []}}', '{"n00000001": {"words": []}}', '{"n00000001": {"words": [], "parents": [1]}}']) {
    await assert.rejects(loadHypernyms(await written(text)), is("bad-hypernyms", /list\.txt: /));
  }
});

test("a list of more lines than a model may have tags is refused", async () => {
  await assert.rejects(readTextList(await written("a\n".repeat(1_000_001))), is("too-large", /more than 1000000 lines/));
});
