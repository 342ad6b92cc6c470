import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.js";
import { convertCheckpoint } from "../../src/convert/convert-checkpoint.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { toFloat32 } from "../../src/checkpoint/to-float32.js";
import { descriptionsOf, type BankTag, type TagBank } from "../../src/vocab/tag-bank.js";
import { readSafetensorsFixture } from "../read-safetensors.js";
import { shared, sharedMissing } from "../shared-data.js";
import { temporaryFolder } from "../tiny-model-folder.js";

const encoder = { kind: "text-encoder", id: "e".repeat(64) } as const;

const bankOf = (name: string, width: number, tags: readonly (Pick<BankTag, "en" | "rows"> & Partial<BankTag>)[]): TagBank => ({ name, width, origin: encoder, tags: tags.map((tag) => ({ zh: tag.en, threshold: 0.5, ...tag })) });

/** Rows of a table, `count` for each name. */
const cut = (data: Float32Array, names: readonly string[], width: number): { en: string; rows: Float32Array }[] => {
  const each = data.length / names.length;
  assert.equal(each % width, 0);
  return names.map((en, i) => ({ en, rows: data.slice(i * each, (i + 1) * each) }));
};

async function convert(name: string, folder: string): Promise<void> {
  await convertCheckpoint(shared(`parity/${name}/checkpoint.safetensors`), folder, {
    tags: shared(`parity/${name}/tags.txt`),
    tagsZh: shared(`parity/${name}/tags_zh.txt`),
    thresholds: shared(`parity/${name}/thresholds.txt`),
    imageSize: name === "ram_mini" ? 64 : 96,
  });
}

async function photos(): Promise<string[]> {
  const folder = shared("parity/ram_plus_mini/photos");
  return (await readdir(folder)).filter((file) => /\.(jpg|png|webp)$/.test(file)).sort().map((file) => join(folder, file));
}

interface OpenSet {
  readonly categories: readonly string[];
  readonly runs: readonly { readonly threshold: number; readonly photos: readonly { readonly file: string; readonly tags: string }[] }[];
}

for (const name of ["ram_plus_mini", "ram_mini"] as const) {
  test(`${name}: other categories in place of the tags give the reference's logits and strings`, { skip: sharedMissing(`parity/${name}`) }, async () => {
    await using folder = await temporaryFolder();
    await convert(name, join(folder.path, "model"));
    await using tagger = await Tagger.load(join(folder.path, "model"));
    const expected = readSafetensorsFixture(shared(`parity/${name}/openset.safetensors`));
    const facts = JSON.parse(readFileSync(shared(`parity/${name}/openset_tags.json`), "utf8")) as OpenSet;
    const width = expected.get("label_embed")!.shape[1]!;
    const bank = bankOf("open", width, cut(Float32Array.from(expected.get("label_embed")!.data as Float32Array), facts.categories, width));
    for (const { threshold, photos: strings } of facts.runs) {
      const outcomes = await tagger.tagBatch(await photos(), { banks: [bank], threshold, logits: true, orient: false });
      outcomes.forEach((outcome, photo) => {
        assert.ok("result" in outcome);
        outcome.result.logits!.forEach((logit, i) => assert.ok(Math.abs(logit - Number(expected.get("logits")!.data[photo * facts.categories.length + i])) <= 5e-5, `photo ${photo}, ${facts.categories[i]}: ${logit}`));
        const inOrder = [...outcome.result.tags].sort((a, b) => a.id - b.id);
        assert.equal(inOrder.map(({ en }) => en).join(" | "), strings[photo]!.tags);
        assert.ok(inOrder.every(({ bank: from }) => from === "open"));
      });
    }
  });

  test(`${name}: a bank of any built-in rows gives the built-in scores, ragged banks those of their tags alone, in any order and mixture`, { skip: sharedMissing(`parity/${name}`) }, async () => {
    await using folder = await temporaryFolder();
    await convert(name, join(folder.path, "model"));
    await using tagger = await Tagger.load(join(folder.path, "model"));
    await using checkpoint = await openCheckpoint(shared(`parity/${name}/checkpoint.safetensors`));
    const table = toFloat32(await checkpoint.tensors.get("label_embed")!.read());
    const width = table.shape[1]!;
    const all = cut(table.data as Float32Array, tagger.tags.map(({ en }) => en), width);
    const [photo] = await photos();
    const own = (await tagger.tag(photo!, { scores: true })).scores!;
    const scoresOf = async (banks: readonly TagBank[], builtIn = false): Promise<Map<string, number>> => {
      const options = { banks, builtIn, scores: true };
      const { scores } = await tagger.tag(photo!, options);
      const chosen = await tagger.chosenTags(options);
      return new Map(chosen.map(({ en, bank }, i) => [`${bank ?? ""} ${en}`, scores![i]!]));
    };
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(all.map((_, i) => i), { minLength: 1 }), async (ids) => {
        const found = await scoresOf([bankOf("some", width, ids.map((i) => all[i]!))]);
        // RAM's own table has gone through its projection already, computed elsewhere.
        for (const i of ids) assert.ok(Math.abs(found.get(`some ${all[i]!.en}`)! - own[i]!) <= (name === "ram_mini" ? 1e-6 : 0), all[i]!.en);
      }),
      { numRuns: 15, seed: 1 },
    );
    // Ragged, with names of their own: each tag as if it were alone, whatever stands beside it.
    const ragged = all.slice(0, 12).map(({ rows }, i) => ({ en: `tag ${i}`, rows: rows.slice(0, width * (1 + (i % (rows.length / width)))) }));
    const alone = new Map<string, number>();
    for (const tag of ragged) for (const [key, score] of await scoresOf([bankOf("ragged", width, [tag])])) alone.set(key, score);
    const other = bankOf("other", width, [{ en: "one more", rows: all[20]!.rows }]);
    const [together, reversed] = [bankOf("ragged", width, ragged), bankOf("ragged", width, [...ragged].reverse())];
    const mixed = [await scoresOf([together]), await scoresOf([reversed, other]), await scoresOf([other, together], true)];
    for (const scores of mixed) for (const [key, score] of alone) assert.ok(Math.abs(scores.get(key)! - score) <= 1e-6, `${key}: ${scores.get(key)} and ${score}`);
    tagger.tags.forEach(({ en, id }) => assert.equal(mixed[2]!.get(` ${en}`), own[id]));
  });
}

test("the same tag in two sources is one tag, whose score does not depend on their order", { skip: sharedMissing("parity/ram_plus_mini") }, async () => {
  await using folder = await temporaryFolder();
  await convert("ram_plus_mini", join(folder.path, "model"));
  await using tagger = await Tagger.load(join(folder.path, "model"));
  const width = 32;
  const random = (seed: number): Float32Array => Float32Array.from({ length: width }, (_, i) => Math.sin(seed * 91 + i * 7));
  const [a, b] = [bankOf("a", width, [{ en: "thing", rows: random(1) }, { en: "only a", rows: random(2) }]), bankOf("b", width, [{ en: "thing", rows: random(3), threshold: 0.1 }])];
  const [photo] = await photos();
  const first = await tagger.tag(photo!, { banks: [a, b], threshold: 0 });
  const second = await tagger.tag(photo!, { banks: [b, a], threshold: 0 });
  assert.equal(first.tags.length, 2);
  const plain = (tags: typeof first.tags): unknown[] => tags.map(({ en, score, bank }) => ({ en, score, bank })).sort((x, y) => (x.en < y.en ? -1 : 1));
  assert.deepEqual(plain(first.tags), plain(second.tags));
});

test("a bank that is not for the model is refused by name", async () => {
  await using tagger = await Tagger.load();
  const photo = new Uint8Array(await readFile("examples/cat.jpg"));
  const rows = new Float32Array(256).fill(0.0625);
  await assert.rejects(tagger.tag(photo, { banks: [bankOf("narrow", 16, [{ en: "x", rows: rows.slice(0, 16) }])] }), { code: "wrong-encoder", message: /narrow.*16 values/ });
  await assert.rejects(tagger.tag(photo, { banks: [bankOf("texts", 256, [{ en: "x", rows }])] }), { code: "wrong-model", message: /ramplus teach/ });
  await assert.rejects(tagger.tag(photo, { banks: [{ ...bankOf("strange", 256, [{ en: "x", rows }]), origin: { kind: "model", id: "0".repeat(64) } }] }), { code: "wrong-model", message: /teach its tags again/ });
});

test("the embedded model takes words that are tags, kinds of tags or above them, and names those that it cannot place", async () => {
  await using tagger = await Tagger.load();
  const { tags } = await tagger.tag("examples/two-dogs.jpg", { tags: ["dog", "canine", "carnivore", "CAR"], threshold: 0 });
  const byName = new Map(tags.map((tag) => [tag.en, tag]));
  assert.deepEqual([...byName.keys()].sort(), ["canine", "car", "carnivore", "dog"]);
  assert.equal(byName.get("canine")!.placed!.relation, "kinds");
  assert.ok(byName.get("canine")!.score >= byName.get("dog")!.score);
  assert.equal(byName.get("dog")!.placed, undefined);
  await assert.rejects(tagger.tag("examples/cat.jpg", { tags: ["cat", "zorgblat"] }), { code: "unknown-tag", message: /"zorgblat".*ramplus teach/ });
});

test("only and exclude take wildcards; a pattern that fits no tag is an error", async () => {
  await using tagger = await Tagger.load();
  const names = async (options: object): Promise<string[]> => (await tagger.chosenTags(options)).map(({ en }) => en);
  const terriers = await names({ only: ["*terrier"] });
  assert.ok(terriers.length > 10 && terriers.every((en) => en.endsWith("terrier")));
  assert.deepEqual(await names({ only: ["*terrier"], exclude: ["*border*", "?ox*"] }), terriers.filter((en) => !/border/i.test(en) && !/^.ox/i.test(en)));
  await assert.rejects(names({ only: ["zorg*"] }), { code: "unknown-tag" });
  await assert.rejects(names({ exclude: ["*"] }), { code: "bad-option" });
  const { tags } = await tagger.tag("examples/two-dogs.jpg", { only: ["do?", "cat"] });
  assert.deepEqual(tags.map(({ en }) => en), ["dog"]);
});

test("kept features give the same scores without the photo being decoded again; damaged ones are made anew", async () => {
  await using folder = await temporaryFolder();
  const cache = join(folder.path, "features");
  const photo = "examples/cat.jpg";
  const scores = async (): Promise<Float32Array> => {
    await using tagger = await Tagger.load(undefined, { cache });
    return (await tagger.tag(photo, { scores: true })).scores!;
  };
  const first = await scores();
  const files = (await readdir(cache, { recursive: true })).filter((file) => file.endsWith(".features"));
  assert.equal(files.length, 1);
  const file = join(cache, files[0]!);
  const kept = await readFile(file);
  // The pooled token and those of a grid of 8 by 8.
  assert.equal(kept.byteLength, 70 * 256 * 4 + 32);
  assert.deepEqual(await scores(), first);
  // What is read is what was kept: other values with a right sum give other scores.
  await writeFile(file, kept.fill(7, 0, 400));
  assert.deepEqual(await scores(), first, "a damaged file is not used");
  assert.notDeepEqual(await readFile(file), kept, "and is written anew");
  await using tagger = await Tagger.load(undefined, { cache: "/dev/null/nowhere" });
  assert.deepEqual((await tagger.tag(photo, { scores: true })).scores, first);
});

test("descriptions are counted by rows", () => {
  const bank = bankOf("b", 4, [{ en: "x", rows: new Float32Array(12) }]);
  assert.equal(descriptionsOf(bank, bank.tags[0]!), 3);
});

test("what another tag of the photo implies is left out, before the best are taken", async () => {
  await using tagger = await Tagger.load();
  // Low enough for a breed.
  const names = async (options: object): Promise<string[]> => (await tagger.tag("examples/two-dogs.jpg", { threshold: 0.5, ...options })).tags.map(({ en }) => en);
  const [all, pruned] = [await names({}), await names({ pruneImplied: true })];
  assert.ok(all.includes("animal") && all.includes("dog") && all.includes("mammal"));
  assert.ok(pruned.length > 0 && !["animal", "mammal", "dog"].some((en) => pruned.includes(en)), pruned.join());
  assert.ok(pruned.every((en) => all.includes(en)));
  assert.deepEqual(await names({ pruneImplied: true, top: 1 }), pruned.slice(0, 1));
  // "mammal", "dog" and "spaniel", which lie between, are not looked for.
  const between = { only: ["*spaniel", "animal"], exclude: ["spaniel"] };
  assert.ok((await names(between)).includes("animal"));
  assert.ok(!(await names({ ...between, pruneImplied: true })).includes("animal"));
});
