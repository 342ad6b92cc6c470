// Makes models/vocabulary.json from the tables beside this file, WordNet's hypernyms and the sets' class names:
//   node tools/vocabulary/build.mjs ../shared/data > models/vocabulary.json
// classes.tsv: wnid, English, Chinese (classes of one English name are one tag); hypernyms.tsv: wnids, English, Chinese
// (of a name that classes.tsv has too: one tag); others.tsv: English, Chinese, parents; words.tsv: English, Chinese, parents,
// other names of what captions say and pixels show; aliases.tsv: English, other names;
// parents.tsv: English, parents that WordNet lacks, parents that WordNet has and nobody would say.
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
const list = (cell) => (cell === undefined || cell === "" ? [] : cell.split(","));
const hypernyms = json("wordnet/hypernyms.json");
const sets = ["tiny-imagenet", "imagenette", "cifar-10", "coco", "voc2012", "scenes", "flowers", "groceries", "imagenet-samples"];

const faults = [];
const tags = new Map();
const tagOf = (en, zh) => {
  if (!en || !zh) faults.push(`${en || zh}: a name is missing`);
  if (!tags.has(en)) tags.set(en, { en, zh, aliases: new Set(), parents: new Set(), wnid: [] });
  const tag = tags.get(en);
  if (tag.zh !== zh) faults.push(`${en}: two Chinese names, ${tag.zh} and ${zh}`);
  return tag;
};
const known = (table, en) => {
  if (!tags.has(en)) throw new Error(`${table}: no tag ${en}`);
  return tags.get(en);
};
for (const [wnid, en, zh] of table("classes.tsv")) tagOf(en, zh).wnid.push(wnid);
for (const [wnids, en, zh] of table("hypernyms.tsv")) tagOf(en, zh).wnid.push(...list(wnids));
const byHand = [];
for (const [en, zh, parents] of table("others.tsv")) {
  tagOf(en, zh);
  byHand.push([en, list(parents), []]);
}
for (const [en, zh, parents, aliases] of table("words.tsv")) {
  if (tags.has(en)) faults.push(`words.tsv: ${en} is a tag of another table`);
  const tag = tagOf(en, zh);
  for (const alias of list(aliases)) tag.aliases.add(alias);
  byHand.push([en, list(parents), []]);
}
for (const [en, added, removed] of table("parents.tsv")) byHand.push([en, list(added), list(removed)]);
for (const [en, names] of table("aliases.tsv")) for (const name of list(names)) known("aliases.tsv", en).aliases.add(name);

const byWnid = new Map();
for (const tag of tags.values()) {
  for (const wnid of tag.wnid) {
    if (!hypernyms[wnid]) faults.push(`${tag.en}: ${wnid} is not in hypernyms.json`);
    if (byWnid.has(wnid)) faults.push(`${wnid}: both ${byWnid.get(wnid).en} and ${tag.en}`);
    byWnid.set(wnid, tag);
  }
}

// A tag implies the tags above it; one that merges synsets, what is above each of them.
const tagsAbove = (wnid) => {
  const above = new Set(hypernyms[wnid].parents);
  for (const id of above) for (const parent of hypernyms[id].parents) above.add(parent);
  return new Set([...above].flatMap((id) => byWnid.get(id) ?? []));
};
const isAbove = new Map();
for (const tag of tags.values()) {
  // A synset that lies under another one of the same tag adds nothing.
  const each = tag.wnid.map((wnid) => ({ wnid, above: tagsAbove(wnid) })).filter(({ above }) => !above.has(tag) || tag.wnid.length === 1);
  const common = each.length === 0 ? [] : [...each[0].above].filter((up) => up !== tag && each.every(({ above }) => above.has(up)));
  isAbove.set(tag, new Set(common));
}
for (const [en, added, removed] of byHand) {
  const above = isAbove.get(known("parents.tsv", en));
  for (const parent of added) above.add(known("parents.tsv", parent));
  for (const parent of removed) {
    if (!above.has(known("parents.tsv", parent))) faults.push(`parents.tsv: ${en} does not imply ${parent}`);
    // What is implied only through the parent that goes must go too.
    const lost = [known("parents.tsv", parent), ...isAbove.get(tags.get(parent))];
    for (const up of lost) if (!added.includes(up.en)) above.delete(up);
  }
}
const reach = (tag, seen = new Set()) => {
  for (const up of isAbove.get(tag)) if (!seen.has(up)) reach(up, seen.add(up));
  return seen;
};
for (const tag of tags.values()) {
  if (reach(tag).has(tag)) throw new Error(`${tag.en} implies itself`);
  const above = [...isAbove.get(tag)];
  for (const up of above) if (!above.some((other) => other !== up && reach(other).has(up))) tag.parents.add(up.en);
}

const names = new Map([...tags.values()].map((tag) => [tag.en.toLowerCase(), tag]));
if (names.size !== tags.size) faults.push("two tags differ only in capitals");
const classes = new Map();
for (const set of sets) {
  for (const { name, wnid } of json(`${set}/labels.json`).classes) {
    const tag = byWnid.get(wnid) ?? names.get(name.toLowerCase()) ?? [...tags.values()].find((t) => t.aliases.has(name));
    if (tag === undefined) {
      faults.push(`${set}: class ${name} has no tag`);
      continue;
    }
    if (tag.en !== name) tag.aliases.add(name);
    classes.set(name, (classes.get(name) ?? new Set()).add(tag));
  }
}
// One name for two tags is only right where two classes share it.
for (const tag of tags.values()) {
  for (const alias of tag.aliases) {
    const others = [...tags.values()].filter((other) => other !== tag && (other.en.toLowerCase() === alias.toLowerCase() || other.aliases.has(alias)));
    const shared = classes.get(alias)?.has(tag) && others.every((other) => classes.get(alias).has(other) || other.wnid.length > 0);
    if (others.length > 0 && !shared) faults.push(`${alias}: a name of ${[tag, ...others].map((t) => t.en).join(" and ")}`);
  }
}
if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exit(1);
}
const rows = [...tags.values()].map(({ en, zh, aliases, parents, wnid }) => ({
  en,
  zh,
  ...(aliases.size > 0 && { aliases: [...aliases] }),
  ...(parents.size > 0 && { parents: [...parents] }),
  ...(wnid.length > 0 && { wnid: wnid.length === 1 ? wnid[0] : wnid }),
}));
console.log(`[\n${rows.map((tag) => `  ${JSON.stringify(tag)}`).join(",\n")}\n]`);
