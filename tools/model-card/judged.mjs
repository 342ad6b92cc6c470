// How many photos have no wrong tag among the first three: node tools/model-card/judged.mjs MODEL JUDGED DATA
// JUDGED has a line for each photo of the data folder's sets that was judged (SET/KEY): which of some tags are right, wrong and doubtful on it.
// Needs the built package (npm run build).
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tagger } from "../../dist/index.js";
import { openLabelledSet } from "../../dist/data/labelled-set.js";
import { readShard } from "../../dist/data/tar-shards.js";

const [model, file, data] = process.argv.slice(2);
if (data === undefined) {
  console.error("node tools/model-card/judged.mjs MODEL JUDGED DATA");
  process.exit(2);
}
const lines = (await readFile(file, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
const judged = new Map(lines.map(({ photo, ...tags }) => [photo, tags]));
const sets = [...new Set([...judged.keys()].map((photo) => photo.slice(0, photo.indexOf("/"))))];
const share = (part, whole) => `${((100 * part) / whole).toFixed(1)}%`;

const tagger = await Tagger.load(model);
const all = { photos: 0, withoutWrong: 0, withoutDoubt: 0, right: 0, wrong: 0, doubtful: 0, unjudged: 0 };
for (const set of sets) {
  let [photos, withoutWrong] = [0, 0];
  for (const shard of (await openLabelledSet(join(data, set))).shards.get("train")) {
    for await (const { key, bytes } of readShard(shard)) {
      const verdict = judged.get(`${set}/${key}`);
      if (verdict === undefined) continue;
      const { tags } = await tagger.tag(bytes);
      const found = tags.slice(0, 3).map(({ en }) => ["right", "wrong", "doubtful"].find((kind) => verdict[kind].includes(en)) ?? "unjudged");
      for (const kind of found) all[kind]++;
      photos++;
      if (!found.includes("wrong")) withoutWrong++;
      if (!found.includes("wrong") && !found.includes("doubtful")) all.withoutDoubt++;
    }
  }
  console.log(`${set}: ${share(withoutWrong, photos)} of ${photos} photos have no wrong tag among the first three`);
  all.photos += photos;
  all.withoutWrong += withoutWrong;
}
const tags = all.right + all.wrong + all.doubtful;
console.log(`all ${all.photos}: ${share(all.withoutWrong, all.photos)}, and ${share(all.withoutDoubt, all.photos)} none in doubt either; of ${tags} tags ${share(all.wrong, tags)} are wrong, ${share(all.doubtful, tags)} in doubt; ${all.unjudged} more were not judged`);
await tagger.dispose();
