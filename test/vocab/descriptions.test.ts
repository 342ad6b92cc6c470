import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseDescriptions, readDescriptions, serialiseDescriptions, writeDescriptions } from "../../src/vocab/descriptions.js";
import { classTexts, photoText, promptTemplates } from "../../src/vocab/prompt-templates.js";
import { shared, sharedMissing } from "../shared-data.js";

let folder = "";
before(() => (folder = mkdtempSync(join(tmpdir(), "ramplus-descriptions-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

test("the published 200 rare categories have 51 descriptions each, the first of them the photo text", { skip: sharedMissing("data/ram-upstream") }, async () => {
  const file = shared("data/ram-upstream/datasets/openimages_rare_200/openimages_rare_200_llm_tag_descriptions.json");
  const descriptions = await readDescriptions(file);
  assert.equal(descriptions.length, 200);
  for (const { tag, texts } of descriptions) {
    assert.equal(texts.length, 51);
    assert.equal(texts[0], photoText(tag));
  }
});

test("descriptions come back as they were written, in the reference's form", async () => {
  const descriptions = [{ tag: "__proto__", texts: ["odd"] }, { tag: "7", texts: ["seven", "7 \"x\"\n"] }, { tag: "黑暗", texts: ["很暗"] }];
  const file = join(folder, "written.json");
  await writeDescriptions(file, descriptions);
  assert.deepEqual(await readDescriptions(file), descriptions);
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8"))[1], { 7: ["seven", "7 \"x\"\n"] });
  assert.deepEqual(readdirSync(folder), ["written.json"]);
  assert.match(serialiseDescriptions([{ tag: "a", texts: ["b"] }]), /^\[\n {3}\{\n {6}"a": \[\n {9}"b"\n/);
  await assert.rejects(writeDescriptions(join(folder, "no", "where.json"), descriptions), { code: "unwritable" });
});

test("what is not of the form is refused with its place", async () => {
  for (const [json, message] of [
    [{}, /expected a list of objects/],
    [[], /expected 1 to 1000000 tags, received 0/],
    [[{ a: ["x"], b: ["y"] }], /entry 1: expected an object with one tag/],
    [["a"], /entry 1: expected an object/],
    [[{ a: ["x"] }, { a: ["y"] }], /entry 2 \("a"\): the tag occurs twice/],
    [[{ " ": ["x"] }], /entry 1 \(" "\): expected a tag/],
    [[{ "a\nb": ["x"] }], /expected a tag/],
    [[{ a: "x" }], /entry 1 \("a"\): expected a list of 1 to 1000 texts/],
    [[{ a: [] }], /expected a list/],
    [[{ a: ["x", 3] }], /text 2: expected a text/],
    [[{ a: ["x", " "] }], /text 2: expected a text/],
    [[{ a: ["x".repeat(10_001)] }], /text 1: expected a text of 1 to 10000/],
  ] as const) {
    assert.throws(() => parseDescriptions(json, "f.json"), { name: "VocabularyError", code: "bad-descriptions", message });
  }
  writeFileSync(join(folder, "bad.json"), "[{");
  await assert.rejects(readDescriptions(join(folder, "bad.json")), { code: "bad-descriptions", message: /is not JSON/ });
  await assert.rejects(readDescriptions(join(folder, "none.json")), { code: "not-found" });
});

test("class texts follow the reference's rules of article, name and sentence", () => {
  assert.equal(promptTemplates.length, 63);
  const first = (tag: string): string | undefined => classTexts(tag)[0];
  assert.equal(first("Ale"), "There is a ale in the scene.");
  assert.equal(first("apple"), "There is an apple in the scene.");
  assert.equal(first("cat_fish/Dog..."), "There is a cat fish or dog in the scene.");
  assert.equal(classTexts("dog")[57], "This is a cartoon dog.");
  assert.equal(classTexts("dog")[5], "itap of a dog.");
  assert.equal(classTexts("dog")[59], "This is an embroidered dog.");
  assert.equal(classTexts("$& {}")[1], "There is the $& {} in the scene.");
});
