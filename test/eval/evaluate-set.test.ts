import assert from "node:assert/strict";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { pack } from "tar-stream";
import { evaluateSet } from "../../src/eval/evaluate-set.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { shared, sharedMissing } from "../shared-data.js";
import { temporaryFolder, tinyTags, writeTinyModel } from "../tiny-model-folder.js";
import { writeColours } from "./colour-photos.js";

test("a set of shards: classes without a tag count 0 in its own mAP and nothing elsewhere, implied tags hold", async () => {
  await using root = await temporaryFolder();
  const tags = tinyTags.map((tag) => (["red", "green"].includes(tag.en) ? { ...tag, parents: ["colour"], wnid: `n0000000${tag.id}` } : tag));
  await writeTinyModel(join(root.path, "model"), { tags });
  await writeColours(root.path, { "r.png": "red", "g.png": "green", "r2.png": "red" });
  const set = join(root.path, "set");
  await mkdir(set);
  const shard = pack();
  for (const key of ["r2", "r", "unlabelled"]) shard.entry({ name: `${key}.png` }, await readFile(join(root.path, `${key === "unlabelled" ? "r" : key}.png`)));
  shard.entry({ name: "g.png" }, await readFile(join(root.path, "g.png")));
  shard.entry({ name: "bad.png" }, "no photo");
  shard.finalize();
  await pipeline(shard, createWriteStream(join(set, "val.tar")));
  const classes = [{ name: "rot", wnid: "n00000000" }, { name: "GREEN", wnid: "n00000009" }, { name: "yeti", wnid: "n00000008" }];
  await writeFile(join(set, "labels.json"), JSON.stringify({ classes, splits: { val: { r: 0, g: 1, r2: 0, bad: 2, gone: 0, unlabelled: { captions: ["a colour"] } } } }));
  await using tagger = await Tagger.load(join(root.path, "model"), { device: "cpu" });
  const out = join(root.path, "out");
  const hypernyms = { n00000000: { words: ["red"], parents: ["n00000007"] }, n00000007: { words: ["colour"], parents: [] } };
  const report = await evaluateSet(tagger, set, { hypernyms, out });
  assert.deepEqual([report.set, report.split, report.photos, report.classes, report.untagged], ["set", "val", 3, 3, ["yeti"]]);
  assert.deepEqual([report.failed.map(({ photo }) => photo), report.evaluation.missing, report.evaluation.lacking], [["bad"], ["gone"], ["yeti"]]);
  const close = (a: number, b: number, what: string): void => assert.ok(Math.abs(a - b) < 1e-6, `${what}: ${a}, expected ${b}`);
  close(report.classMap, 2 / 3, "class mAP");
  close(report.hypernymMap, 1, "hypernym mAP");
  close(report.evaluation.overall.map, 1, "mAP of the classes with a tag");
  close(report.firstTags!.top1, 2 / 3, "a class without a tag of its own is never first");
  assert.deepEqual(report.evaluation.tags.map(({ name }) => name), ["red", "green"]);
  // In the order of the shards.
  assert.equal(await readFile(join(out, "pred.txt"), "utf8"), "r2,red\nr,red\ng,green\n");
  const done: number[] = [];
  assert.deepEqual(await evaluateSet(tagger, set, { hypernyms, out, onProgress: (_, __, kept) => done.push(kept) }), report);
  assert.equal(done.at(-1), 3, "only the photo that cannot be read is tried again");
});

test("the embedded model has the figures of its card", { skip: sharedMissing("data/flowers") }, async () => {
  await using tagger = await Tagger.load();
  const { classMap, hypernymMap, precision, recall, f1, photos } = await evaluateSet(tagger, shared("data/flowers"));
  const card = await readFile(join(tagger.folder, "README.md"), "utf8");
  const row = card.split("\n").find((line) => line.startsWith("| flowers val"))!;
  assert.equal(`| flowers val | ${photos} | ${classMap.toFixed(3)} (5) | ${classMap.toFixed(3)} (5) | ${hypernymMap.toFixed(3)} (2) | ${[precision, recall, f1].map((value) => value.toFixed(2)).join(" / ")} |`, row);
});
