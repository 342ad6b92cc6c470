// Runs the commands by which the embedded model's card says that it is made, one after the other, with few photos and steps: whether each
// still goes on from what those before it left. node tools/model-card/rehearse.mjs DATA OUT [--photos N] [--steps N]
// DATA is the data folder (../shared/data), OUT a folder that is empty or new. Needs the built package (npm run build).
import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Tagger } from "../../dist/index.js";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { photos: { type: "string", default: "80" }, steps: { type: "string", default: "4" } } });
const [data, out] = positionals;
if (out === undefined) {
  console.error("node tools/model-card/rehearse.mjs DATA OUT [--photos N] [--steps N]");
  process.exit(2);
}
const [photos, steps] = [Number(values.photos), Number(values.steps)];
const root = fileURLToPath(new URL("../../", import.meta.url));
const trainingFolder = join(root, "models/ramplus-tiny/training");
const written = join(resolve(out), "models/ramplus-tiny/training");
await mkdir(written, { recursive: true });

/** A path of a configuration: data, vocabulary and labels where they are, runs within OUT. */
const moved = (path) => (path.includes("shared/data/") ? join(resolve(data), path.slice(path.indexOf("shared/data/") + 12)) : path.includes("/runs/") ? path : resolve(trainingFolder, path));

function small(config) {
  const phases = config.phases.map((phase) => ({ ...phase, steps: Math.min(phase.steps, steps), batch: Math.min(phase.batch, 16), warmup: Math.min(phase.warmup, 1) }));
  const sources = config.sources.map((source) => ({ ...source, set: moved(source.set), limit: photos, ...(source.labels !== undefined && { labels: moved(source.labels) }) }));
  const paths = Object.fromEntries(["vocabulary", "weights", "classifier", "proposer", "teacher"].flatMap((key) => (typeof config[key] === "string" ? [[key, moved(config[key])]] : [])));
  return { ...config, ...paths, sources, phases, heldOut: 0.2, saveEvery: steps, logEvery: 1 };
}

for (const file of (await readdir(trainingFolder)).filter((each) => each.endsWith(".json"))) {
  await writeFile(join(written, file), JSON.stringify(small(JSON.parse(await readFile(join(trainingFolder, file), "utf8"))), null, 2));
}

const card = await readFile(join(root, "models/ramplus-tiny/README.md"), "utf8");
const commands = [...card.matchAll(/^node dist\/cli\/bin\.js train \$T\/(\S+) --out (\S+)/gm)].map(([, config, folder]) => ({ config, folder }));
for (const { config, folder } of commands) {
  const began = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [join(root, "dist/cli/bin.js"), "train", join(written, config), "--out", join(resolve(out), folder)], { encoding: "utf8" });
  if (status !== 0) {
    console.error(stderr);
    console.error(`${config}: exit code ${status}`);
    process.exit(1);
  }
  const tagger = await Tagger.load(join(resolve(out), folder, "model"));
  const { scores } = await tagger.tag(join(root, "examples/cat.jpg"), { scores: true });
  await tagger.dispose();
  if (!scores.every(Number.isFinite)) throw new Error(`${folder}: a score is not a number`);
  console.log(`${basename(config, ".json")}: ${folder}/model, ${scores.length} tags, ${((performance.now() - began) / 1000).toFixed(0)} s`);
}
