import assert from "node:assert/strict";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { DataError } from "../../src/data/data-error.js";
import { EvalError } from "../../src/eval/eval-error.js";
import { evaluateBenchmark } from "../../src/eval/evaluate-benchmark.js";
import { evaluateFolder } from "../../src/eval/evaluate-folder.js";
import { readGroups } from "../../src/eval/tag-groups.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { shared, sharedMissing } from "../shared-data.js";
import { temporaryFolder, tinyTags, writeTinyModel } from "../tiny-model-folder.js";
import { writeColours } from "./colour-photos.js";

let root: Awaited<ReturnType<typeof temporaryFolder>>;
let tagger: Tagger;
let photos = "";
before(async () => {
  root = await temporaryFolder();
  photos = join(root.path, "photos");
  const tags = tinyTags.map((tag) => (tag.en === "red" ? { ...tag, aliases: ["crimson"], parents: ["colour"] } : tag.en === "green" ? { ...tag, parents: ["colour"] } : tag));
  await writeTinyModel(join(root.path, "model"), { tags });
  tagger = await Tagger.load(join(root.path, "model"), { device: "cpu" });
  await writeColours(photos, { "r.jpg": "red", "sub/g.png": "green", "b.png": "blue", "also.png": "red" });
  await writeFile(join(photos, "broken.jpg"), "no photo");
});
after(async () => {
  await tagger.dispose();
  await root[Symbol.asyncDispose]();
});

async function labelled(name: string, text: string): Promise<string> {
  const file = join(root.path, name);
  await writeFile(file, text);
  return file;
}
const labels = (): Promise<string> => labelled("labels.csv", "r.jpg,Red\nsub/g.png,green,unicorn\nb.png,red,blue\nalso.png,crimson\ngone.png,blue\nbroken.jpg,blue\n");

test("a folder's photos are held against its labels: names and aliases resolve, what is implied holds, the rest is listed", async () => {
  const e = await evaluateFolder(tagger, photos, await labels(), { groups: { warm: ["CRIMSON"], none: ["unicorn"] } });
  assert.deepEqual(e.tags.map(({ name, positives }) => [name, positives]), [["red", 3], ["green", 1], ["blue", 1]]);
  assert.deepEqual(e.implied.tags.map(({ name, positives }) => [name, positives]), [["colour", 4]]);
  assert.deepEqual([e.lacking, e.listed, e.missing, e.failed.map(({ photo, code }) => [photo, code])], [["unicorn"], 4, ["gone.png"], [["broken.jpg", "image-unknown-format"]]]);
  assert.equal(e.photos, 4);
  const [red, green, blue] = e.tags;
  // The blue photo is labelled red too, and gets no red: two of three are found, none wrongly.
  assert.ok(Math.abs(red!.precision - 1) < 1e-6 && Math.abs(red!.recall - 2 / 3) < 1e-6);
  assert.ok(Math.abs(green!.ap - 1) < 1e-6 && Math.abs(blue!.f1 - 1) < 1e-6);
  assert.deepEqual(e.groups.map(({ name, tags, map }) => [name, tags, map]), [["warm", 1, red!.ap]]);
});

test("a threshold holds for every tag, one that is off too; a limit takes the first photos", async () => {
  const e = await evaluateFolder(tagger, photos, await labelled("off.csv", "r.jpg,off\nsub/g.png,red\nb.png,red\n"), { threshold: 0.01, limit: 2 });
  assert.equal(e.photos, 2);
  const [off] = e.tags;
  assert.ok(Math.abs(off!.recall - 1) < 1e-6 && Math.abs(off!.precision - 0.5) < 1e-6, "the tag that is off is given to both");
});

test("labels that the model lacks altogether, groups without a tag, and folders without photos are errors", async () => {
  const failsAs = (code: string, message: RegExp) => (error: unknown): boolean => (error instanceof EvalError || error instanceof DataError) && error.code === code && message.test(error.message);
  await assert.rejects(evaluateFolder(tagger, photos, await labelled("other.csv", "r.jpg,unicorn\n")), failsAs("nothing-to-measure", /none of its 1 tags .*"unicorn"/));
  await assert.rejects(evaluateFolder(tagger, photos, await labelled("gone.csv", "gone.jpg,red\n")), failsAs("nothing-to-measure", /none of its 1 labelled photos is there/));
  await assert.rejects(evaluateFolder(tagger, photos, await labelled("bad.csv", "broken.jpg,red\n")), failsAs("nothing-to-measure", /no photo could be read; the first: .*broken\.jpg/));
  await assert.rejects(evaluateFolder(tagger, photos, await labels(), { groups: { none: ["unicorn"] } }), failsAs("bad-groups", /no group has a tag/));
  await assert.rejects(evaluateFolder(tagger, photos, await labels(), { threshold: 2 }), failsAs("bad-option", /threshold 2/));
  await assert.rejects(readGroups(await labelled("groups.json", '{"a": "red"}')), failsAs("bad-groups", /group "a": expected a list of tags, received "red"/));
});

test("an interrupted run keeps what it has scored, and the next goes on with it to the same figures", async () => {
  const many = join(root.path, "many");
  const list = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}.png`, (["red", "green", "blue", "grey"] as const)[i % 4]!]));
  await writeColours(many, list);
  const file = await labelled("many.csv", Object.entries(list).map(([name, colour], i) => `${name},${i % 7 === 0 ? "blue" : colour}\n`).join("").replaceAll(",grey", ""));
  const whole = await evaluateFolder(tagger, many, file);
  const out = join(root.path, "resumed");
  const interrupted = new AbortController();
  const running = evaluateFolder(tagger, many, file, { out, signal: interrupted.signal, batch: 4, onProgress: (done) => done === 13 && interrupted.abort() });
  await assert.rejects(running, (error: unknown) => error === interrupted.signal.reason);
  assert.deepEqual(await readdir(out), ["scores.jsonl"]);
  const keptAt: number[] = [];
  const resumed = await evaluateFolder(tagger, many, file, { out, onProgress: (_, __, kept) => keptAt.push(kept) });
  assert.ok(keptAt.at(-1)! >= 13 && keptAt.at(-1)! < 40, `${keptAt.at(-1)} kept`);
  assert.deepEqual(resumed, whole);
  assert.deepEqual((await readdir(out)).sort(), ["ap.txt", "pr.txt", "pred.txt", "report.html", "report.json", "scores.jsonl", "summary.txt"]);

  // A photo that has changed since is scored again, one that cannot be read is tried again.
  await utimes(join(many, "3.png"), 1, 1);
  keptAt.length = 0;
  await evaluateFolder(tagger, many, file, { out, onProgress: (_, __, kept) => keptAt.push(kept) });
  assert.equal(keptAt.at(-1), 39);
  await assert.rejects(evaluateFolder(tagger, many, await labelled("more.csv", "0.png,off\n"), { out }), (error: unknown) => error instanceof EvalError && error.code === "journal-mismatch");
  await evaluateFolder(tagger, many, await labelled("fewer.csv", "0.png,red\n1.png,green\n"), { out });
});

test("the report escapes what others named, shows photos, and loads nothing", async () => {
  const name = `x"><img src=x onerror=alert(1)>&.png`;
  await writeColours(photos, { [name]: "red" });
  const out = join(root.path, "report");
  const file = await labelled("hostile.csv", `"${name.replaceAll('"', '""')}",blue,<script>alert(1)</script>\nr.jpg,red\n<i>gone</i>.png,red\n`);
  await evaluateFolder(tagger, photos, file, { out });
  const html = await readFile(join(out, "report.html"), "utf8");
  assert.ok(!/<script|<img src=x|<i>gone/.test(html));
  assert.match(html, /&lt;script&gt;alert\(1\)&lt;\/script&gt;/);
  assert.match(html, /src="data:image\/jpeg;base64,/);
  assert.match(html, /default-src 'none'/);
  assert.ok(!/(src|href)="(?!data:)/.test(html) && !/url\(|@import|https?:/.test(html), "something is loaded");
  assert.match(html, /<polyline class="curve" points="[\d., ]+"/);
  const json = JSON.parse(await readFile(join(out, "report.json"), "utf8"));
  assert.deepEqual([json.photos, json.lacking, json.missing], [2, ["<script>alert(1)</script>"], ["<i>gone</i>.png"]]);
  assert.equal(await readFile(join(out, "pred.txt"), "utf8"), `${name},red\nr.jpg,red\n`);
});

test("a benchmark with names: files as the reference's, photos found with their endings, wherever they lie", async () => {
  const folder = join(root.path, "datasets", "openimages_common_214");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "openimages_common_214_ram_taglist.txt"), "RED\nsky\ngreen\nblue\nred\n");
  await writeFile(join(folder, "openimages_common_214_ram_annots.txt"), "test/0001,red\ntest/0002\ntest/0003,green,sky\ntest/0004,blue\ntest/0005,red,RED\n");
  const images = join(root.path, "images");
  await writeColours(images, { "test/0001.jpg": "red", "0002.jpg": "blue", "elsewhere/0003.jpg": "green", "a/0004.jpg": "blue", "b/0004.jpg": "blue" });
  const out = join(root.path, "benchmark");
  const e = await evaluateBenchmark(tagger, "openimages-common-214", { annotations: join(root.path, "datasets"), photos: images }, { out });
  // Of two files of one name neither is meant.
  assert.deepEqual(e.missing, ["test/0004", "test/0005"]);
  assert.deepEqual([e.listed, e.lacking], [5, ["sky"]]);
  // A tag that stands in the list by two spellings is two columns, each with its own photos.
  assert.deepEqual(e.tags.map(({ name, positives }) => [name, positives]), [["RED", 0], ["green", 1], ["blue", 0], ["red", 1]]);
  assert.equal(await readFile(join(out, "pred.txt"), "utf8"), "test/0001,RED,red\ntest/0002,blue\ntest/0003,green\n");
  assert.equal(await readFile(join(out, "ap.txt"), "utf8"), "Tag,AP\nRED,0.00\ngreen,100.00\nblue,0.00\nred,100.00\n");
  assert.match(await readFile(join(out, "summary.txt"), "utf8"), /^mAP: 49\.9+\d*\nCP: /);
  await assert.rejects(evaluateBenchmark(tagger, "hico-600", { annotations: join(root.path, "datasets"), photos: images }), (error: unknown) => error instanceof DataError && error.code === "not-found" && /hico_600_taglist\.txt/.test(error.message));
});

test("a benchmark with places in the list: a tag that stands there twice is two", async () => {
  const folder = join(root.path, "imagenet");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "imagenet_multi_1000_taglist.txt"), "red\nblue\nred");
  const annotations = join(folder, "imagenet_multi_1000_annots.txt");
  const images = join(root.path, "images");
  await writeColours(images, { "ILSVRC2012_val_1.JPEG": "red", "n01/ILSVRC2012_val_2.JPEG": "red" });
  await writeFile(annotations, "ILSVRC2012_val_1.JPEG,2 1\nILSVRC2012_val_2.JPEG");
  const e = await evaluateBenchmark(tagger, "imagenet-multi-1000", { annotations: folder, photos: images });
  assert.deepEqual(e.tags.map(({ name, positives }) => [name, positives]), [["red", 0], ["blue", 1], ["red", 1]]);
  await writeFile(annotations, "ILSVRC2012_val_1.JPEG,2\nILSVRC2012_val_2.JPEG,3");
  await assert.rejects(evaluateBenchmark(tagger, "imagenet-multi-1000", { annotations: folder, photos: images }), (error: unknown) => error instanceof DataError && /line 2: "3" is no place/.test(error.message));
});

test("the reference's own files are read: every image, every label, lines without any", { skip: sharedMissing("data/ram-upstream/datasets") }, async () => {
  const { readBenchmark } = await import("../../src/data/benchmark.js");
  const expected = { "openimages-common-214": [214, 57_224, 157], "openimages-rare-200": [200, 21_991, 0], "imagenet-multi-1000": [1000, 50_000, 3163], "hico-600": [600, 9658, 0] } as const;
  for (const [name, [tags, images, empty]] of Object.entries(expected)) {
    const benchmark = await readBenchmark(name as keyof typeof expected, shared("data/ram-upstream/datasets"));
    assert.deepEqual([benchmark.tagList.length, benchmark.images.length, benchmark.images.filter(({ columns }) => columns.length === 0).length], [tags, images, empty], name);
  }
  const { tagList, images } = await readBenchmark("imagenet-multi-1000", shared("data/ram-upstream/datasets/imagenet_multi"));
  const missiles = [...tagList.keys()].filter((place) => tagList[place] === "missile");
  assert.deepEqual(missiles, [657, 744]);
  for (const place of missiles) assert.ok(images.some(({ columns }) => columns.includes(place) && !missiles.every((each) => columns.includes(each))), `place ${place} has photos of its own`);
});

test("HICO's phrases are no tags of a model: that is said by name, not counted as nought", { skip: sharedMissing("data/ram-upstream/datasets") }, async () => {
  const images = join(root.path, "hico");
  await writeColours(images, { "HICO_test2015_00000001.jpg": "red", "HICO_test2015_00000002.jpg": "green" });
  await assert.rejects(evaluateBenchmark(tagger, "hico-600", { annotations: shared("data/ram-upstream/datasets"), photos: images }), (error: unknown) => error instanceof EvalError && error.code === "nothing-to-measure" && /none of its 600 tags .*"person board airplane"/.test(error.message));
});
