// How well a model knows classes whose labels its training did not look at: node tools/model-card/left-out.mjs MODEL CONFIG DATA
// Of imagenet-samples' photos of the tags that CONFIG leaves out: how often the class is first, and among the first five, of the
// tags that stand for ImageNet classes. Needs the built package (npm run build).
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { indexTags, Tagger } from "../../dist/index.js";
import { openLabelledSet } from "../../dist/data/labelled-set.js";
import { createTargets } from "../../dist/data/tag-targets.js";
import { readShard } from "../../dist/data/tar-shards.js";

const [model, config, data] = process.argv.slice(2);
if (data === undefined) {
  console.error("node tools/model-card/left-out.mjs MODEL CONFIG DATA");
  process.exit(2);
}
const { leaveOut } = JSON.parse(await readFile(config, "utf8"));
const tagger = await Tagger.load(model);
const index = indexTags(tagger.tags);
const left = new Set(leaveOut.map((name) => index.byName(name).id));
const set = await openLabelledSet(join(data, "imagenet-samples"));
const { classTags } = createTargets(set.classes, index);
const ids = [...new Set(classTags.flatMap((tag) => (tag === null ? [] : [tag.id])))];
const labels = set.splits.get("test");
let [photos, first, five] = [0, 0, 0];
for (const shard of set.shards.get("test")) {
  for await (const { key, bytes } of readShard(shard)) {
    const id = classTags[labels.get(key).labels[0]]?.id;
    if (id === undefined || !left.has(id)) continue;
    const { scores } = await tagger.tag(bytes, { scores: true });
    const before = ids.filter((other) => scores[other] > scores[id]).length;
    photos++;
    if (before < 1) first++;
    if (before < 5) five++;
  }
}
console.log(`${left.size} tags left out, ${photos} photos: first ${((100 * first) / photos).toFixed(1)}%, among the first five ${((100 * five) / photos).toFixed(1)}%`);
await tagger.dispose();
