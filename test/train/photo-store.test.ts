import assert from "node:assert/strict";
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, before, test } from "node:test";
import sharp from "sharp";
import { pack } from "tar-stream";
import { loadSource } from "../../src/train/photo-store.js";
import { parseTrainConfig } from "../../src/train/train-config.js";
import { indexTags } from "../../src/vocab/tag-index.js";

const index = indexTags([
  { en: "dog", parents: ["animal"] },
  { en: "cat", parents: ["animal"] },
  { en: "animal" },
  { en: "car" },
].map((tag, id) => ({ id, zh: tag.en, threshold: 0.5, ...tag })));
let folder = "";

before(() => {
  folder = mkdtempSync(join(tmpdir(), "ramplus-source-"));
  for (const name of ["photos/cat/b.png", "photos/cat/a.jpg", "photos/dog/c.webp", "photos/dog/notes.txt"]) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), name);
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("a folder's subfolders are classes; what they imply is present, the rest unknown", async () => {
  const { covered, photos } = await loadSource({ kind: "folder", path: "photos", limit: null }, folder, index, 1);
  assert.deepEqual(
    photos.map((photo) => [photo.name.slice(folder.length + 1), [...photo.targets]]),
    [
      ["photos/cat/a.jpg", [0, 1, 1, -1]],
      ["photos/cat/b.png", [0, 1, 1, -1]],
      ["photos/dog/c.webp", [1, 0, 1, -1]],
    ],
  );
  assert.deepEqual(covered, [0, 1, 2]);
  assert.equal(Buffer.from(await photos[0]!.read()).toString(), "photos/cat/a.jpg");
});

test("the reference's list decides every tag, and a limit draws the same photos each time", async () => {
  writeFileSync(
    join(folder, "list.json"),
    JSON.stringify([
      { image_path: "photos/cat/a.jpg", caption: ["a cat", "a pet"], union_label_id: [1, 2], parse_label_id: [[1], [2]] },
      { image_path: "photos/dog/c.webp", caption: "a dog", union_label_id: [0], parse_label_id: [0] },
    ]),
  );
  const source = { kind: "list", path: "list.json", limit: null } as const;
  const { covered, photos } = await loadSource(source, folder, index, 1);
  assert.deepEqual(
    photos.map((photo) => [...photo.targets]),
    [
      [0, 1, 1, 0],
      [1, 0, 0, 0],
    ],
  );
  assert.deepEqual(covered, [0, 1, 2, 3]);
  const one = await loadSource({ ...source, limit: 1 }, folder, index, 1);
  assert.equal(one.photos.length, 1);
  assert.equal((await loadSource({ ...source, limit: 1 }, folder, index, 1)).photos[0]!.name, one.photos[0]!.name);
});

test("wrong lists are errors naming the entry; paths stay in the list's folder", async () => {
  const load = (entries: unknown): Promise<unknown> => {
    writeFileSync(join(folder, "bad.json"), typeof entries === "string" ? entries : JSON.stringify(entries));
    return loadSource({ kind: "list", path: "bad.json", limit: null }, folder, index, 1);
  };
  const good = { image_path: "photos/cat/a.jpg", union_label_id: [1] };
  await assert.rejects(load("{"), { code: "bad-list" });
  await assert.rejects(load({}), { code: "bad-list" });
  await assert.rejects(load([good, { ...good, union_label_id: [4] }]), /entry 1: union_label_id is not a list of tag ids from 0 to 3/);
  await assert.rejects(load([{ ...good, image_path: "../../etc/passwd" }]), /leads out of the list's folder/);
  await assert.rejects(load([{ union_label_id: [] }]), /image_path/);
  await assert.rejects(loadSource({ kind: "folder", path: "none", limit: null }, folder, index, 1), { code: "not-found" });
});

test("a configuration is checked field by field, and unknown fields are refused", () => {
  const good = {
    model: { encoder: { kind: "mobilenet_v2", imageSize: 64 }, textWidth: 8, descriptions: 2, head: { width: 8, layers: 1, heads: 2, intermediate: 8 } },
    vocabulary: "v.json",
    sources: [{ set: "a" }, { folder: "b", limit: 3 }, { list: "c.json" }],
    phases: [{ name: "p", from: "pixels", steps: 1, batch: 1, drawnTags: 1, rate: 1, losses: { tagging: 1 } }],
  };
  assert.deepEqual(
    parseTrainConfig(good, "train.json").sources.map((source) => source.kind),
    ["set", "folder", "list"],
  );
  const broken = (change: (copy: typeof good) => void): (() => unknown) => {
    const copy = structuredClone(good);
    change(copy);
    return () => parseTrainConfig(copy, "train.json");
  };
  assert.throws(broken((c) => (c.phases[0]!.steps = 0)), /train\.json\.phases\[0\]\.steps: expected a whole number above 0, received 0/);
  assert.throws(broken((c) => Object.assign(c.phases[0]!, { stepps: 3 })), /unknown field stepps/);
  assert.throws(broken((c) => Object.assign(c.model.encoder, { kind: "vit" })), /expected "mobilenet_v2" or "swin", received "vit"/);
  assert.throws(() => parseTrainConfig([], "train.json"), { code: "bad-train-config" });
});

test("captions and pixels fill in what a set's labels leave open", async () => {
  const tags = [{ en: "dog", parents: ["animal"] }, { en: "cat", parents: ["animal"] }, { en: "animal" }, { en: "jump", aliases: ["jumping"] }, { en: "red" }, { en: "dark" }];
  const own = indexTags(tags.map((tag, id) => ({ id, zh: tag.en, threshold: 0.5, ...tag })));
  const set = join(folder, "set");
  mkdirSync(set);
  const shard = pack();
  const red = await sharp({ create: { width: 8, height: 8, channels: 3, background: { r: 230, g: 20, b: 20 } } }).png().toBuffer();
  for (let i = 0; i < 22; i++) shard.entry({ name: `p${i}.png` }, red);
  shard.finalize();
  await pipeline(shard, createWriteStream(join(set, "train.tar")));
  const train = Object.fromEntries(Array.from({ length: 22 }, (_, i) => [`p${i}`, i === 0 ? { labels: [0] } : i === 1 ? { labels: [0], captions: ["A cat sleeps"] } : { captions: ["A dog jumps"] }]));
  writeFileSync(join(set, "labels.json"), JSON.stringify({ classes: [{ name: "cat" }], splits: { train } }));
  const load = async (source: object): Promise<{ covered: readonly number[]; rows: Map<string, number[]> }> => {
    const { covered, photos } = await loadSource({ kind: "set", path: "set", limit: null, ...source }, folder, own, 1);
    return { covered, rows: new Map(photos.map(({ name, targets }) => [name, [...targets]])) };
  };
  const labels = await load({});
  assert.deepEqual([...labels.rows], [["set/p0", [-1, 1, 1, -1, -1, -1]], ["set/p1", [-1, 1, 1, -1, -1, -1]]]);
  const captions = await load({ captions: true });
  assert.deepEqual(captions.covered, [0, 1, 2, 3]);
  assert.equal(captions.rows.size, 22);
  assert.deepEqual(captions.rows.get("set/p0"), [-1, 1, 1, -1, -1, -1], "no captions, nothing more is said");
  assert.deepEqual(captions.rows.get("set/p1"), [0, 1, 1, 0, -1, -1]);
  assert.deepEqual(captions.rows.get("set/p2"), [1, -1, 1, 1, -1, -1], "too few captions say cat for silence to deny it");
  const pixels = await load({ pixels: true });
  assert.deepEqual(pixels.rows.get("set/p0"), [-1, 1, 1, -1, 1, -1]);
  assert.deepEqual(pixels.covered, [1, 2, 4, 5]);
});

test("further labels decide what they speak of on the photos that they name, and the set's own labels hold", async () => {
  const tags = [{ en: "cat", parents: ["animal"] }, { en: "animal" }, { en: "sky" }, { en: "hill", parents: ["land"] }, { en: "land" }, { en: "car" }, { en: "sea" }];
  const own = indexTags(tags.map((tag, id) => ({ id, zh: tag.en, threshold: 0.5, ...tag })));
  const set = join(folder, "further");
  mkdirSync(set);
  const shard = pack();
  for (let i = 0; i < 26; i++) shard.entry({ name: `p${i}.png` }, Buffer.from([i]));
  shard.finalize();
  await pipeline(shard, createWriteStream(join(set, "train.tar")));
  const train = Object.fromEntries(Array.from({ length: 26 }, (_, i) => [`p${i}`, i < 3 ? { labels: [0] } : i < 6 ? { labels: [1], captions: ["A hill"] } : { labels: [1], captions: ["The sky over the hill"] }]));
  writeFileSync(join(set, "labels.json"), JSON.stringify({ classes: [{ name: "cat" }, { name: "car" }], splits: { train } }));
  writeFileSync(join(folder, "further.csv"), "p0,sky\np1,?hill\np2,car,animal\np3,sky\np4,?sky\n");
  const load = async (source: object): Promise<{ covered: readonly number[]; named: readonly number[]; rows: Map<string, number[]> }> => {
    const { covered, named, photos } = await loadSource({ kind: "set", path: "further", labels: "further.csv", limit: null, ...source }, folder, own, 1);
    return { covered, named, rows: new Map(photos.map(({ name, targets }) => [name, [...targets]])) };
  };
  const plain = await load({});
  assert.deepEqual(plain.covered, [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(plain.named, [0, 5], "those that the set's classes name");
  // cat, animal, sky, hill, land, car, sea
  assert.deepEqual(plain.rows.get("further/p0"), [1, 1, 1, 0, -1, 0, -1], "land is not asked of: without a hill there may be land");
  assert.deepEqual(plain.rows.get("further/p1"), [1, 1, 0, -1, -1, 0, -1]);
  assert.deepEqual(plain.rows.get("further/p2"), [1, 1, 0, 0, -1, -1, -1], "a car, by these, and none, by the set: nobody knows");
  assert.deepEqual(plain.rows.get("further/p5"), [0, 0, -1, -1, -1, 1, -1], "a photo that they do not name");
  const captions = await load({ captions: true });
  assert.deepEqual(captions.rows.get("further/p3"), [0, 0, 1, 1, 1, 1, -1], "a caption that does not say sky gives way, one that says hill does not");
  assert.deepEqual(captions.rows.get("further/p4"), [0, 0, -1, 1, 1, 1, -1]);
  assert.deepEqual(captions.rows.get("further/p5"), [0, 0, 0, 1, 1, 1, -1]);
  const refused = async (lines: string, message: RegExp): Promise<void> => {
    writeFileSync(join(folder, "further.csv"), lines);
    await assert.rejects(load({}), (error: Error & { code: string }) => error.code === "bad-labels" && message.test(error.message));
  };
  await refused("p0,sky\np99,hill\n", /further\.csv: names "p99", which is no photo of further's split train/);
  await refused("p0,sky\np1,?moon\n", /further\.csv: "p1" has "moon", which is no tag of the vocabulary/);
});
