import assert from "node:assert/strict";
import { copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import sharp from "sharp";
import { inspectSet } from "../../src/data/inspect-set.js";
import { hashDistance, nearDuplicates } from "../../src/image/difference-hash.js";
import { shared, sharedMissing } from "../shared-data.js";
import { temporaryFolder } from "../tiny-model-folder.js";

test("a folder of classes: counts, duplicates, what cannot be read, contact sheets", async () => {
  await using folder = await temporaryFolder();
  const at = (...path: string[]): string => join(folder.path, "set", ...path);
  await mkdir(at("cat"), { recursive: true });
  await mkdir(at("dog\u202e"), { recursive: true });
  await copyFile("examples/cat.jpg", at("cat", "1.jpg"));
  await copyFile("examples/cat.jpg", at("cat", "2.jpg"));
  await sharp("examples/cat.jpg").resize(300).webp({ quality: 60 }).toFile(at("dog\u202e", "smaller cat.webp"));
  await copyFile("examples/two-dogs.jpg", at("dog\u202e", "3.jpg"));
  await writeFile(at("cat", "broken.png"), "no photo");
  const sheets = join(folder.path, "sheets");
  const seen = await inspectSet(at(), { sheets });
  assert.equal(seen.photos, 5);
  assert.deepEqual(seen.classes.map(({ name, photos }) => [name, photos]), [["cat", 3], ["dog\u202e", 2]]);
  assert.deepEqual(seen.same, [[at("cat", "1.jpg"), at("cat", "2.jpg")]]);
  assert.deepEqual(seen.alike, [[at("cat", "1.jpg"), at("cat", "2.jpg"), at("dog\u202e", "smaller cat.webp")]]);
  assert.deepEqual(seen.failed.map(({ photo }) => photo), [at("cat", "broken.png")]);
  assert.deepEqual((await readdir(sheets)).sort(), ["0000 cat.jpg", "0001 dog_.jpg"]);
  const { width, height } = await sharp(join(sheets, "0000 cat.jpg")).metadata();
  assert.deepEqual([width, height], [804, 104]);
});

test("a labelled set: splits, labels together, photos that no shard has", { skip: sharedMissing("data/voc2012") }, async () => {
  const seen = await inspectSet(shared("data/voc2012"));
  assert.deepEqual(seen.splits, [
    { name: "train", photos: 2859, labelled: 2859, captioned: 0 },
    { name: "val", photos: 358, labelled: 358, captioned: 0 },
  ]);
  assert.deepEqual([seen.failed, seen.missing, seen.same], [[], [], []]);
  assert.ok(seen.together[0]!.photos > 50);
});

test("near duplicates are those within three bits of one another, directly or by way of others", () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), { minLength: 1, maxLength: 12 }), fc.array(fc.tuple(fc.nat(11), fc.nat(63), fc.nat(63)), { maxLength: 12 }), (hashes, near) => {
      const all = [...hashes, ...near.map(([i, a, b]) => hashes[i % hashes.length]! ^ (1n << BigInt(a)) ^ (1n << BigInt(b)))];
      const groups = nearDuplicates(all);
      const groupOf = (i: number): number => groups.findIndex((group) => group.includes(i));
      for (let i = 0; i < all.length; i++) for (let j = 0; j < i; j++) if (hashDistance(all[i]!, all[j]!) <= 3) assert.ok(groupOf(i) >= 0 && groupOf(i) === groupOf(j));
      for (const group of groups) for (const i of group) assert.ok(group.some((j) => j !== i && hashDistance(all[i]!, all[j]!) <= 3));
    }),
    { numRuns: 100, seed: 4 },
  );
  assert.deepEqual(nearDuplicates([null, 0n, null]), []);
});
