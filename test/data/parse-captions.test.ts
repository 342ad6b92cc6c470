import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { readCaptionedPhotos } from "../../src/data/captioned-photos.js";
import { captionWords, parseCaptions, writeReferenceList } from "../../src/data/parse-captions.js";
import { readReferenceList } from "../../src/data/reference-list.js";
import { indexTags } from "../../src/vocab/tag-index.js";
import { temporaryFolder } from "../tiny-model-folder.js";

const tags = [{ en: "animal" }, { en: "dog", parents: ["animal"] }, { en: "red shirt" }, { en: "running" }].map((tag, id) => ({ id, zh: "", threshold: 0.5, ...tag }));
const index = indexTags(tags);

test("captions become the reference's training JSON, which training reads", async () => {
  await using folder = await temporaryFolder();
  const photos = [
    { image: "a.jpg", captions: ["A dog runs", "a man in a red shirt"], labels: [] },
    { image: "b.jpg", captions: ["nothing"], labels: ["dog", "yeti"] },
  ];
  const { photos: parsed, counts, untagged } = parseCaptions(photos, index);
  assert.deepEqual(parsed, [
    { image_path: "a.jpg", caption: photos[0]!.captions, union_label_id: [0, 1, 2, 3], parse_label_id: [[1, 3], [2]] },
    { image_path: "b.jpg", caption: ["nothing"], union_label_id: [0, 1], parse_label_id: [[]] },
  ]);
  assert.deepEqual([...counts].sort(), [[0, 2], [1, 2], [2, 1], [3, 1]]);
  assert.deepEqual(untagged, ["yeti"]);
  const file = join(folder.path, "list.json");
  await writeReferenceList(file, parsed);
  assert.deepEqual((await readReferenceList(file, tags.length)).map(({ imagePath, unionLabelIds, parseLabelIds }) => [imagePath, unionLabelIds, parseLabelIds]), [
    ["a.jpg", [0, 1, 2, 3], [[1, 3], [2]]],
    ["b.jpg", [0, 1], [[]]],
  ]);
  assert.deepEqual(await readdir(folder.path), ["list.json"]);
  await assert.rejects(writeReferenceList(join(folder.path, "no", "list.json"), parsed), { code: "unwritable" });
});

test("captions are read in every form that is told of; others are refused with the entry", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "captions.json");
  const read = async (json: unknown, split?: string): Promise<unknown> => {
    await writeFile(file, typeof json === "string" ? json : JSON.stringify(json));
    return (await readCaptionedPhotos(file, split)).map(({ image, captions, labels }) => [image, captions, labels]);
  };
  const expected = [["a.jpg", ["one", "two"], []]];
  assert.deepEqual(await read({ "a.jpg": ["one", "two"] }), expected);
  assert.deepEqual(await read([{ image_path: "a.jpg", caption: ["one", "two"] }]), expected);
  assert.deepEqual(await read([{ file_name: "a.jpg", captions: "one", labels: ["dog"] }]), [["a.jpg", ["one"], ["dog"]]]);
  assert.deepEqual(await read({ images: [{ id: 7, file_name: "a.jpg" }], annotations: [{ image_id: 7, caption: "one" }, { image_id: 7, caption: "two" }] }), expected);
  const set = { classes: [{ name: "dog" }], splits: { train: { x: 0 }, val: { "a.jpg": { labels: [0], captions: ["one", "two"] } } } };
  assert.deepEqual(await read(set, "val"), [["a.jpg", ["one", "two"], ["dog"]]]);
  for (const [json, message] of [
    ["{", /not JSON/],
    [5, /expected an object or a list/],
    [[], /names no photo/],
    [set, /names no photo/],
    [{ "a.jpg": 5 }, /"a\.jpg": expected a caption/],
    [[{ image: "a.jpg" }], /entry 1/],
    [{ images: [{ id: 1, file_name: "a" }], annotations: [{ image_id: 2, caption: "x" }] }, /annotations, entry 1/],
    [{ splits: { val: { a: { captions: ["x"], labels: [9] } } } }, /split val, a/],
  ] as const) await assert.rejects(read(json), (error: Error & { code: string }) => error.code === "bad-captions" && message.test(error.message), String(message));
  await assert.rejects(read(set, "test"), { code: "bad-captions", message: /no split "test"; it has train, val/ });
  await assert.rejects(readCaptionedPhotos(join(folder.path, "none.json")), { code: "not-found" });
});

test("words of captions by photos, without those that say nothing", () => {
  const photos = [{ image: "a", captions: ["A dog runs in the grass", "two dogs"], labels: [] }, { image: "b", captions: ["a brown dog"], labels: [] }];
  const words = captionWords(photos, index, 1);
  assert.deepEqual(words[0], { word: "dog", kind: "noun", photos: 2, tag: "dog" });
  const found = (word: string): object | undefined => words.find((each) => each.word === word);
  assert.deepEqual(found("run"), { word: "run", kind: "verb", photos: 1, tag: null });
  assert.deepEqual(found("brown dog"), { word: "brown dog", kind: "pair", photos: 1, tag: null });
  assert.equal(found("a dog"), undefined);
  assert.deepEqual(captionWords(photos, null, 2).map(({ word }) => word), ["dog"]);
});
