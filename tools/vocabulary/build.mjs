// Makes models/vocabulary.json from the tables beside this file, WordNet's hypernyms and the sets' class names:
//   node tools/vocabulary/build.mjs ../shared/data > models/vocabulary.json
// classes.tsv: wnid, English, Chinese (classes of one English name are one tag); hypernyms.tsv: wnids, English, Chinese;
// others.tsv: English, Chinese, parents; aliases.tsv: English, other names.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const data = process.argv[2];
if (data === undefined) {
  console.error("usage: node tools/vocabulary/build.mjs DATA_FOLDER > models/vocabulary.json");
  process.exit(2);
}
const table = (name) =>
  readFileSync(new URL(name, import.meta.url), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\t"));
const json = (path) => JSON.parse(readFileSync(join(data, path), "utf8"));
const hypernyms = json("wordnet/hypernyms.json");
const synsets = hypernyms.synsets ?? hypernyms;
const sets = ["tiny-imagenet", "imagenette", "cifar-10", "coco", "voc2012", "scenes", "flowers", "groceries", "imagenet-samples"];

const tags = new Map();
const tagOf = (en, zh) => {
  if (!tags.has(en)) tags.set(en, { en, zh, aliases: new Set(), parents: new Set(), wnid: [] });
  const tag = tags.get(en);
  if (tag.zh !== zh) throw new Error(`${en}: two Chinese names, ${tag.zh} and ${zh}`);
  return tag;
};
for (const [wnid, en, zh] of table("classes.tsv")) tagOf(en, zh).wnid.push(wnid);
for (const [wnids, en, zh] of table("hypernyms.tsv")) tagOf(en, tags.get(en)?.zh ?? zh).wnid.push(...wnids.split(","));
const byHand = new Map();
for (const [en, zh, parents] of table("others.tsv")) {
  tagOf(en, zh);
  byHand.set(en, parents ? parents.split(",") : []);
}
for (const [en, names] of table("aliases.tsv")) {
  if (!tags.has(en)) throw new Error(`aliases.tsv: no tag ${en}`);
  for (const name of names.split(",")) tags.get(en).aliases.add(name);
}

const byWnid = new Map();
for (const tag of tags.values()) {
  for (const wnid of tag.wnid) {
    if (!synsets[wnid]) throw new Error(`${tag.en}: ${wnid} is not in hypernyms.json`);
    if (byWnid.has(wnid)) throw new Error(`${wnid}: both ${byWnid.get(wnid).en} and ${tag.en}`);
    byWnid.set(wnid, tag);
  }
}
// The nearest ancestors that are tags.
for (const tag of tags.values()) {
  for (const wnid of tag.wnid) {
    const open = [...synsets[wnid].parents];
    const seen = new Set(open);
    while (open.length > 0) {
      const next = open.pop();
      const parent = byWnid.get(next);
      if (parent !== undefined && parent !== tag) tag.parents.add(parent.en);
      else for (const up of synsets[next].parents) if (!seen.has(up)) seen.add(up) && open.push(up);
    }
  }
}
// A tag that merges synsets keeps only parents that hold for each of them.
const ancestors = (wnid) => {
  const found = new Set([wnid]);
  for (const id of found) for (const up of synsets[id].parents) found.add(up);
  return found;
};
for (const tag of tags.values()) {
  const each = tag.wnid.map((wnid) => ancestors(wnid));
  for (const parent of [...tag.parents]) {
    const ids = tags.get(parent)?.wnid ?? [];
    if (ids.length > 0 && each.length > 0 && !each.every((set) => ids.some((id) => set.has(id)))) tag.parents.delete(parent);
  }
}

for (const [en, parents] of byHand) for (const parent of parents) tags.get(en).parents.add(parent);
// WordNet's "cup" is a punch; its photos show cups.
tags.get("cup").parents.delete("drink");

const names = new Map([...tags.values()].map((tag) => [tag.en.toLowerCase(), tag]));
if (names.size !== tags.size) throw new Error("two tags differ only in capitals");
for (const set of sets) {
  for (const { name, wnid } of json(`${set}/labels.json`).classes) {
    const alias = [...tags.values()].find((t) => t.aliases.has(name));
    const tag = (wnid && byWnid.get(wnid)) ?? names.get(name.toLowerCase()) ?? alias;
    if (tag === undefined) throw new Error(`${set}: class ${name} has no tag`);
    if (tag.en !== name) tag.aliases.add(name);
  }
}
const reaches = (from, to, seen = new Set()) => [...tags.get(from).parents].some((p) => p === to || (!seen.has(p) && seen.add(p) && reaches(p, to, seen)));
for (const tag of tags.values()) {
  for (const parent of tag.parents) if (!tags.has(parent)) throw new Error(`${tag.en}: no parent ${parent}`);
  if (reaches(tag.en, tag.en)) throw new Error(`${tag.en} implies itself`);
  if (!tag.zh) throw new Error(`${tag.en}: no Chinese name`);
}
const list = [...tags.values()].map(({ en, zh, aliases, parents, wnid }) => ({
  en,
  zh,
  ...(aliases.size > 0 && { aliases: [...aliases] }),
  ...(parents.size > 0 && { parents: [...parents] }),
  ...(wnid.length > 0 && { wnid: wnid.length === 1 ? wnid[0] : wnid }),
}));
console.log(`[\n${list.map((tag) => `  ${JSON.stringify(tag)}`).join(",\n")}\n]`);
