import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { DataError } from "../../src/data/data-error.js";
import { readLabelFile, type PhotoTags } from "../../src/data/label-file.js";
import { shared, sharedMissing } from "../shared-data.js";

let folder = "";
before(() => (folder = mkdtempSync(join(tmpdir(), "ramplus-labels-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

function read(name: string, text: string): Promise<PhotoTags[]> {
  const file = join(folder, name);
  writeFileSync(file, text);
  return readLabelFile(file);
}

const expected: PhotoTags[] = [
  { file: "a.jpg", tags: ["dog", "cat"] },
  { file: "b/c d.png", tags: [] },
  { file: "e.webp", tags: ['dark, "very"', "红色"] },
];

const forms: Record<string, string> = {
  "lines.csv": 'a.jpg,dog,cat\nb/c d.png\ne.webp,"dark, ""very""",红色\n',
  "crlf-and-mark.csv": '\ufeffa.jpg,dog,cat\r\n./b/c d.png\r\n\r\ne.webp,"dark, ""very""",红色',
  "windows-paths.csv": 'a.jpg,dog,cat,,\nb\\c d.png,\ne.webp,"dark, ""very""",红色',
  "tabs.tsv": "a.jpg\tdog\tcat\nb/c d.png\ne.webp\tdark, \"very\"\t红色\n".replace('dark, "very"', '"dark, ""very"""'),
  "columns.csv": 'id,File,Tags\n1,a.jpg,dog|cat\n2,b/c d.png,\n3,e.webp,"dark, ""very"";红色"\n',
  "one-a-line.csv": 'file,tag\na.jpg,dog\nb/c d.png,\ne.webp,"dark, ""very"""\na.jpg,cat\na.jpg,dog\ne.webp,红色\n',
  "semicolons.csv": 'file;tags\na.jpg;dog|cat\nb/c d.png;\ne.webp;"dark, ""very""|红色"\n',
  "tagged.csv": 'file,id,en,zh,score,threshold,error\r\na.jpg,3,dog,狗,0.9,0.5,\r\na.jpg,4,cat,猫,0.9,0.5,\r\nb/c d.png,,,,,,image-empty: no\r\ne.webp,1,"dark, ""very""",x,1,0.5,\r\ne.webp,2,红色,x,1,0.5,\r\n',
  "object.json": JSON.stringify({ "a.jpg": ["dog", "cat", "dog"], "b/c d.png": [], "./e.webp": ['dark, "very"', "红色"] }),
  "list.json": JSON.stringify([{ file: "a.jpg", tags: ["dog", "cat"], ms: {} }, { file: "b/c d.png", tags: [] }, { file: "e.webp", tags: [{ id: 1, en: 'dark, "very"' }, { en: "红色" }] }, { file: "f.jpg", error: { code: "image-empty" } }]),
  "lines.jsonl": `${JSON.stringify({ file: "a.jpg", tags: ["dog", "cat"] })}\n\n${JSON.stringify({ file: "b/c d.png", tags: [] })}\n${JSON.stringify({ file: "e.webp", tags: ['dark, "very"', "红色"] })}`,
};
for (const [name, text] of Object.entries(forms)) {
  test(`${name} gives the photos and their tags`, async () => assert.deepEqual(await read(name, text), expected));
}

const faults: Record<string, [text: string, message: RegExp]> = {
  "quote.csv": ['a.jpg,dog\nb.jpg,"cat\n', /quote\.csv: is no CSV: .*line 2/],
  "no-tags.csv": ["filename,dog,cat\na.jpg,1,0\n", /line 1: has the column "filename" but none that is called tags/],
  "no-photo.csv": ["a.jpg,dog\n,cat\n", /line 2: expected the name of a photo/],
  "empty.csv": ["", /names no photo/],
  "header-only.csv": ["file,tags\n", /names no photo/],
  "broken.json": ['{"a.jpg": [', /is not JSON/],
  "text.json": ['"a.jpg"', /expected .* received "a\.jpg"/],
  "tags.json": ['{"a.jpg": "dog"}', /"a\.jpg": expected a list of tags, received "dog"/],
  "tag.json": ['[{"file": "a.jpg", "tags": ["dog", 3]}]', /entry 1 \("a\.jpg"\): expected the name of a tag, received 3/],
  "entry.json": ['[{"file": "a.jpg", "tags": []}, {"photo": "b.jpg"}]', /entry 2: expected \{"file"/],
  "lines-broken.jsonl": ['{"file": "a.jpg", "tags": []}\n{"file"\n', /line 2 is not JSON/],
};
for (const [name, [text, message]] of Object.entries(faults)) {
  test(`${name} is refused, naming the place`, async () => {
    await assert.rejects(read(name, text), (error: unknown) => error instanceof DataError && error.code === "bad-labels" && message.test(error.message));
  });
}

test("a file that is missing is not-found", async () => {
  await assert.rejects(readLabelFile(join(folder, "none.csv")), (error: unknown) => error instanceof DataError && error.code === "not-found");
});

test("a line longer than any photo's is refused, not gathered", async () => {
  await assert.rejects(read("long.csv", `a.jpg${",dog".repeat(400_000)}\n`), (error: unknown) => error instanceof DataError && error.code === "bad-labels");
});

test("any text ends in labels or a DataError", async () => {
  const pieces = fc.constantFrom("file", "tags", "a.jpg", "dog", ",", ";", "|", "\t", '"', "\n", "\r\n", " ", "\0", "\\", "{", "}", "[", "]", ":", "\ufeff", "红");
  await fc.assert(
    fc.asyncProperty(fc.array(pieces, { maxLength: 24 }), fc.constantFrom("any.csv", "any.json", "any.jsonl"), async (parts, name) => {
      await read(name, parts.join("")).catch((error: unknown) => assert.ok(error instanceof DataError, String(error)));
    }),
    { seed: 12, numRuns: 500 },
  );
});

test("the reference's annotations are labels: every photo, those without labels too", { skip: sharedMissing("data/ram-upstream/datasets") }, async () => {
  const labels = await readLabelFile(shared("data/ram-upstream/datasets/openimages_common_214/openimages_common_214_ram_annots.txt"));
  assert.equal(labels.length, 57_224);
  assert.equal(labels.filter(({ tags }) => tags.length === 0).length, 157);
  assert.deepEqual(labels[3], { file: "test/00045d609ca3f4eb", tags: ["pumpkin", "halloween"] });
});
