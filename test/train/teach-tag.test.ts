import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readBackground } from "../../src/bundle/background.js";
import { readShard } from "../../src/data/tar-shards.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { seededRandom } from "../../src/tensor/random.js";
import { float32, type Tensor } from "../../src/tensor/tensor.js";
import { teachTag } from "../../src/train/teach-tag.js";
import { shared, sharedMissing } from "../shared-data.js";
import { writeSmallModel } from "../small-model.js";
import { temporaryFolder } from "../tiny-model-folder.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));

/** Features [2, 16] around a direction. */
function features(count: number, axis: number, seed: number): Tensor<"float32">[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => float32([2, 16], Array.from({ length: 32 }, (_, i) => (i % 16 === axis ? 1 : 0) + 0.3 * (random() - 0.5))));
}

test("a tag is learned through the head: photos left out come first, and the bank's scores are those of the learning", async () => {
  await using folder = await temporaryFolder();
  await writeSmallModel(folder.path);
  await using tagger = await Tagger.load(folder.path);
  const [with_, without] = [features(8, 3, 1), features(12, 7, 2)];
  const { tag, report, origin, width } = await teachTag(tagger, "new", with_, without);
  assert.equal(report.folds, 8);
  assert.ok(report.ap > 0.99, `${report.ap}`);
  assert.equal(report.chance, 0.4);
  assert.equal(report.f1, 1);
  assert.equal(report.scores.length, 20);
  assert.equal(tag.rows.length, width);
  const photo = Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => i % 251);
  const { tags } = await tagger.tag({ width: 32, height: 32, data: photo }, { banks: [{ name: "b", width, origin, tags: [tag] }], threshold: 0 });
  assert.deepEqual(tags.map(({ en, bank }) => [en, bank]), [["new", "b"]]);
  // Labels that the features do not carry are not learned.
  const random = await teachTag(tagger, "nothing", features(8, 3, 3), features(12, 3, 4));
  assert.ok(random.report.ap < 0.85, `${random.report.ap}`);
});

test("too few photos, and a stop, are told", async () => {
  await using folder = await temporaryFolder();
  await writeSmallModel(folder.path);
  await using tagger = await Tagger.load(folder.path);
  await assert.rejects(teachTag(tagger, "new", features(2, 3, 1), features(9, 7, 2)), { code: "too-few-photos", message: /2 photos with the tag and 9 without/ });
  await assert.rejects(teachTag(tagger, "new", features(9, 3, 1), features(9, 7, 2), { signal: AbortSignal.abort(new Error("stop")) }), { message: "stop" });
});

test("the embedded model carries features of everyday photos", async () => {
  await using tagger = await Tagger.load();
  const background = await readBackground(tagger.folder);
  assert.ok(background!.length >= 50);
  assert.deepEqual(background![0]!.shape, [70, 256]);
});

const kindOf = (key: string): string => key.replace(/^(train|val|test)-/, "").replace(/[_-]?\d+$/, "");

/** Photos of groceries by key. */
async function groceries(): Promise<Map<string, Uint8Array>> {
  const photos = new Map<string, Uint8Array>();
  for (const shard of ["train-000", "val"]) for await (const { key, bytes } of readShard(shared(`data/groceries/${shard}.tar.gz`))) photos.set(key, bytes);
  return photos;
}

const slow = process.env["RAMPLUS_SLOW"] === "1";

test(`kinds of pear and melon, ten photos each: three times chance and more against their neighbours${slow ? "" : " (two of five; RAMPLUS_SLOW=1 for all)"}`, { skip: sharedMissing("data/groceries") }, async () => {
  const labels = JSON.parse(readFileSync(shared("data/groceries/labels.json"), "utf8")) as { classes: { name: string }[]; splits: Record<string, Record<string, { labels: number[] }>> };
  const classOf = new Map(Object.values(labels.splits).flatMap((split) => Object.entries(split).map(([key, photo]) => [key, labels.classes[photo.labels[0]!]!.name] as const)));
  const photos = await groceries();
  await using tagger = await Tagger.load();
  const background = (await readBackground(tagger.folder))!;
  const featuresOf = async (keys: readonly string[]): Promise<Tensor<"float32">[]> => {
    const all: Tensor<"float32">[] = [];
    for await (const outcome of tagger.features(keys.map((key) => photos.get(key)!))) if ("features" in outcome) all.push(outcome.features);
    return all;
  };
  for (const kind of slow ? ["Conference", "Kaiser", "Anjou", "Cantaloupe", "Watermelon"] : ["Kaiser", "Cantaloupe"]) {
    const shown = [...photos.keys()].filter((key) => kindOf(key) === kind).sort().slice(0, 10);
    assert.equal(shown.length, 10);
    const neighbours = [...photos.keys()].filter((key) => classOf.get(key) === classOf.get(shown[0]!) && kindOf(key) !== kind);
    const { report } = await teachTag(tagger, kind, await featuresOf(shown), await featuresOf(neighbours), { background });
    assert.ok(report.ap >= 3 * report.chance, `${kind}: ${report.ap} against ${report.chance}`);
  }
});

test("teach as a process: a tag into a bank, found by ramplus tag; photos that cannot be read are told of", { skip: sharedMissing("data/groceries") }, async () => {
  await using folder = await temporaryFolder();
  const photos = await groceries();
  for (const kind of ["Kaiser", "Anjou"]) {
    mkdirSync(join(folder.path, kind));
    for (const [key, bytes] of [...photos].filter(([key]) => kindOf(key) === kind).slice(0, 10)) writeFileSync(join(folder.path, kind, `${key}.webp`), bytes);
  }
  const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } => spawnSync(process.execPath, [bin, ...args], { encoding: "utf8", env: { ...process.env, RAMPLUS_BANKS: join(folder.path, "banks") } });
  const taught = run("teach", "Kaiser pear", join(folder.path, "Kaiser"), "--not", join(folder.path, "Anjou"), "--zh", "凯撒梨");
  assert.equal(taught.status, 0, taught.stderr);
  assert.match(taught.stdout, /learned from 10 photos, told apart from 10\n {2}each photo left out in turn: average precision [01]\.\d+ \(chance: 0\.500\)/);
  const second = run("teach", "Anjou pear", join(folder.path, "Anjou"), "--json");
  assert.equal(second.status, 0, second.stderr);
  assert.equal((JSON.parse(second.stdout) as { positives: number }).positives, 10);
  const tagged = run("tag", join(folder.path, "Kaiser"), "--vocab", "built-in,taught", "--only", "* pear,pear", "--format", "jsonl");
  const found = tagged.stdout.trim().split("\n").map((line) => (JSON.parse(line) as { tags: { en: string; bank?: string; zh: string }[] }).tags);
  assert.ok(found.filter((tags) => tags.some(({ en, bank, zh }) => en === "Kaiser pear" && bank === "taught" && zh === "凯撒梨")).length >= 7, tagged.stdout);
  const few = run("teach", "x", join(folder.path, "Kaiser", "none.jpg"));
  assert.equal(few.status, 1);
  assert.match(few.stderr, /none\.jpg: does not exist\n.*too-few-photos/);
  assert.equal(run("teach", "x").status, 2);
});
