import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { indexTags } from "../../src/vocab/tag-index.js";
import type { Tag } from "../../src/vocab/tag.js";
import { ancestors, loadHypernyms } from "../../src/vocab/wordnet.js";
import { parseTags } from "../../src/vocab/tag-list.js";
import { shared, sharedMissing } from "../shared-data.js";

const entries = JSON.parse(readFileSync("models/vocabulary.json", "utf8")) as readonly Omit<Tag, "id" | "threshold">[];
const tags = parseTags(
  entries.map((entry, id) => ({ id, threshold: null, ...entry })),
  "models/vocabulary.json",
);
const sets = ["tiny-imagenet", "imagenette", "cifar-10", "coco", "voc2012", "scenes", "flowers", "groceries", "imagenet-samples"];
const namesOf = (tag: Tag): readonly string[] => [tag.en, ...(tag.aliases ?? [])];
const wnidsOf = (tag: Tag): readonly string[] => [tag.wnid ?? []].flat();

test("every English name is of one tag, whatever its capitals", () => {
  assert.equal(new Set(tags.map((tag) => tag.en.toLowerCase())).size, tags.length);
  assert.ok(tags.length >= 1150 && tags.length <= 1600, `${tags.length} tags`);
});

test("every tag has a Chinese name, without blanks around it", () => {
  for (const tag of tags) {
    assert.match(tag.zh, /\p{Script=Han}/u, tag.en);
    assert.equal(tag.zh, tag.zh.trim(), tag.en);
  }
});

test("a WordNet id is of one tag", () => {
  const all = tags.flatMap(wnidsOf);
  assert.equal(new Set(all).size, all.length);
});

test("parents are tags, and no tag implies itself", () => {
  const byName = new Map(tags.map((tag) => [tag.en, tag]));
  for (const tag of tags) {
    const above = new Set<string>();
    const open = [...(tag.parents ?? [])];
    while (open.length > 0) {
      const name = open.pop()!;
      const parent = byName.get(name);
      assert.ok(parent, `${tag.en}: no parent ${name}`);
      if (above.has(name)) continue;
      above.add(name);
      open.push(...(parent.parents ?? []));
    }
    assert.ok(!above.has(tag.en), tag.en);
  }
});

test("everyday words imply what a person would say", () => {
  const index = indexTags(tags);
  const implied = (name: string): string[] => [...index.impliedBy(index.byName(name)!)].map((id) => tags[id]!.en);
  assert.deepEqual(new Set(implied("beagle")), new Set(["hound", "dog", "mammal", "animal"]));
  assert.ok(implied("sports car").includes("vehicle"));
  assert.ok(implied("sunflower").includes("plant"));
  assert.ok(implied("juice").includes("drink"));
  assert.ok(!implied("sports car").includes("container"), "as in WordNet, but nobody says it");
});

test("names of different things stay apart", () => {
  const index = indexTags(tags);
  assert.deepEqual(["n02012849", "n03126707", "n01608432"].map((wnid) => index.byWnid(wnid)?.zh), ["鹤", "起重机", "鸢"]);
  assert.equal(index.byName("mouse")?.zh, "鼠标");
  assert.equal(index.byName("kite")?.zh, "风筝");
});

for (const set of sets) {
  test(`every class of ${set} is a tag's name or alias as its labels spell it`, { skip: sharedMissing(`data/${set}`) }, () => {
    const { classes } = JSON.parse(readFileSync(join(shared(`data/${set}`), "labels.json"), "utf8")) as { classes: { name: string; wnid?: string }[] };
    for (const { name, wnid } of classes) {
      const found = tags.filter((tag) => namesOf(tag).includes(name));
      assert.ok(found.length > 0, name);
      if (wnid === undefined) continue;
      const own = tags.filter((tag) => wnidsOf(tag).includes(wnid));
      assert.equal(own.length, 1, `${name} ${wnid}`);
      assert.ok(namesOf(own[0]!).includes(name), `${name} ${wnid}`);
    }
  });
}

test("a name is shared by two tags only where two classes share it", { skip: sharedMissing("data/imagenet-samples") }, () => {
  const owners = new Map<string, Set<string>>();
  for (const tag of tags) for (const name of namesOf(tag)) owners.set(name.toLowerCase(), (owners.get(name.toLowerCase()) ?? new Set()).add(tag.en));
  const twice = [...owners].filter(([, tags]) => tags.size > 1).map(([name]) => name);
  assert.deepEqual(twice.sort(), ["amphibian", "cardigan", "crane", "kite", "pot"]);
});

test("a parent that WordNet gives lies above every synset of the tag, or was added by hand", { skip: sharedMissing("data/wordnet") }, async () => {
  const hypernyms = await loadHypernyms(shared("data/wordnet/hypernyms.json"));
  for (const tag of tags) for (const wnid of wnidsOf(tag)) assert.ok(hypernyms[wnid], `${tag.en} ${wnid}`);
  const byName = new Map(tags.map((tag) => [tag.en, tag]));
  const handMade = readFileSync("tools/vocabulary/parents.tsv", "utf8").split("\n").map((line) => line.split("\t")[0]);
  for (const tag of tags) {
    if (handMade.includes(tag.en)) continue;
    for (const wnid of wnidsOf(tag)) {
      const above = ancestors(wnid, hypernyms);
      const merged = wnidsOf(tag).some((other) => above.has(other));
      for (const parent of tag.parents ?? []) assert.ok(merged || wnidsOf(byName.get(parent)!).some((id) => above.has(id)), `${tag.en}: ${parent}`);
    }
  }
});

test("the published lists are carried byte for byte", () => {
  const digest = (name: string): string => createHash("sha256").update(readFileSync(join("models/published", name))).digest("hex");
  assert.equal(digest("ram_tag_list.txt"), "5d96d2f7225527480ad773aaac76b6e5c08a18adf6eae9ca7d2ab923d5e7bd8b");
  assert.equal(digest("ram_tag_list_chinese.txt"), "c912657a0f30be7b2f5df6ccffa17e1d84561d0bea508528e38b6d0d711bcfbe");
  assert.equal(digest("ram_tag_list_threshold.txt"), "b6f81d0de1bc7f9c251af512c413eae976c77dbfbadf700d4e3d90510f4c6447");
});

test("a tag that is a word of the published list is spelled as there", () => {
  const published = new Map(readFileSync("models/published/ram_tag_list.txt", "utf8").split("\n").map((name) => [name.toLowerCase(), name]));
  for (const { en } of tags) assert.equal(published.get(en.toLowerCase()) ?? en, en);
});

test("the tables give the committed vocabulary again", { skip: sharedMissing("data/wordnet") }, () => {
  const built = execFileSync(process.execPath, ["tools/vocabulary/build.mjs", shared("data")], { encoding: "utf8" });
  assert.ok(built === readFileSync("models/vocabulary.json", "utf8"), "run tools/vocabulary/build.mjs");
});
