// Prints the tables of figures of a model card, in Markdown: node tools/model-card/figures.mjs MODEL DATA [--only SET,...]
// MODEL is a model folder, DATA the data folder (../shared/data). Needs the built package (npm run build).
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { evaluateCaptions, evaluateSet, loadHypernyms, Tagger } from "../../dist/index.js";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: "string" } } });
const [model, data] = positionals;
if (data === undefined) {
  console.error("node tools/model-card/figures.mjs MODEL DATA [--only SET,...]");
  process.exit(2);
}
const sets = ["tiny-imagenet", "imagenette", "cifar-10", "coco", "voc2012", "scenes", "flowers", "groceries"];
const all = [...sets, "flickr-captions", "imagenet-samples", "photos"];
const wanted = values.only?.split(",") ?? all;
const n = (value) => value.toFixed(3);
const share = (value) => `${(100 * value).toFixed(1)}%`;

const tagger = await Tagger.load(model);
if (sets.some((set) => wanted.includes(set))) console.log("| set | photos | class tags, mAP | with ten or more photos | hypernym tags, mAP | precision / recall / F1 at thresholds |\n|---|---|---|---|---|---|");
for (const set of sets.filter((each) => wanted.includes(each))) {
  const { photos, classMap, classes, classMapOfTen, classesOfTen, hypernymMap, hypernyms, precision, recall, f1 } = await evaluateSet(tagger, join(data, set));
  const implied = hypernyms === 0 ? "–" : `${n(hypernymMap)} (${hypernyms})`;
  console.log(`| ${set} val | ${photos} | ${n(classMap)} (${classes}) | ${n(classMapOfTen)} (${classesOfTen}) | ${implied} | ${[precision, recall, f1].map((value) => value.toFixed(2)).join(" / ")} |`);
}
if (wanted.includes("flickr-captions")) {
  const { overall, tags } = await evaluateCaptions(tagger, join(data, "flickr-captions"));
  console.log(`\nflickr-captions val: mAP ${n(overall.map)} over the ${tags.length} tags that ten or more photos' captions name.`);
}
if (wanted.includes("imagenet-samples")) {
  const hypernyms = await loadHypernyms(join(data, "wordnet", "hypernyms.json"));
  const { firstTags, photos } = await evaluateSet(tagger, join(data, "imagenet-samples"), { split: "test", hypernyms });
  console.log(`\nimagenet-samples (${photos} photos): class first ${share(firstTags.top1)}, among the first five ${share(firstTags.top5)}; class or ancestor among the first three of all tags ${share(firstTags.classOrAncestorInThree)}.`);
}
if (wanted.includes("photos")) {
  console.log("\n| photo | first three tags |\n|---|---|");
  const folder = join(data, "photos");
  for (const photo of (await readdir(folder)).filter((file) => file.endsWith(".jpg")).sort()) {
    const { tags } = await tagger.tag(join(folder, photo));
    console.log(`| ${basename(photo, ".jpg")} | ${tags.slice(0, 3).map(({ en }) => en).join(", ")} |`);
  }
}
await tagger.dispose();
