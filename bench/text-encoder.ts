/**
 * Texts that a text encoder of CLIP ViT-B/16's size, with made-up weights, encodes in a second of one core's time:
 * npx tsc -p tsconfig.json && node .build/bench/text-encoder.js MERGES_FOLDER DESCRIPTIONS.json
 */
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeSafetensors } from "../src/checkpoint/write-safetensors.js";
import { TextEncoder } from "../src/convert/text-encoder.js";
import { Params } from "../src/graph/params.js";
import { clipTextGraph, clipVitB16Text } from "../src/model/clip-text.js";
import { permutation, seededRandom } from "../src/tensor/random.js";
import { elementCount } from "../src/tensor/shape.js";
import { float32 } from "../src/tensor/tensor.js";
import { readDescriptions } from "../src/vocab/descriptions.js";
import { classTexts } from "../src/vocab/prompt-templates.js";

const [merges, descriptionsFile] = process.argv.slice(2);
if (merges === undefined || descriptionsFile === undefined) throw new Error("usage: text-encoder.js MERGES_FOLDER DESCRIPTIONS.json");
const folder = await mkdtemp(join(tmpdir(), "ramplus-bench-"));
try {
  const random = seededRandom(1);
  const p = Params.root();
  clipTextGraph(p, clipVitB16Text);
  const tensors = p.list().map(({ name, shape, init }) => ({ name, tensor: float32(shape, Float32Array.from({ length: elementCount(shape) }, () => (init.kind === "constant" ? init.value : 0.05 * (random() - 0.5)))) }));
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  await copyFile(join(merges, "merges.txt"), join(folder, "merges.txt"));
  const started = performance.now();
  await using encoder = await TextEncoder.load(folder, { threads: 1 });
  console.log(`load ${((performance.now() - started) / 1000).toFixed(1)} s`);

  const descriptions = await readDescriptions(descriptionsFile);
  const all = descriptions.flatMap(({ texts }) => texts);
  const sampled = Array.from(permutation(all.length, random).subarray(0, 64), (i) => all[i]!);
  const templates = descriptions.flatMap(({ tag }) => classTexts(tag));
  const sets: Readonly<Record<string, readonly string[]>> = {
    "77 tokens each, as when all are padded": sampled.map((text) => `${text} `.repeat(40)),
    "descriptions, by length": sampled,
    "templates, by length": Array.from(permutation(templates.length, random).subarray(0, 256), (i) => templates[i]!),
  };
  // Time of the processor, not of the clock, and the best of interleaved rounds: other work on the machine slows less of that.
  const best = new Map<string, number>();
  for (let round = 0; round < 6; round++) {
    for (const [name, texts] of Object.entries(sets)) {
      const begun = process.cpuUsage();
      await encoder.encode(texts, { truncate: true });
      const { user, system } = process.cpuUsage(begun);
      const rate = (texts.length * 1e6) / (user + system);
      best.set(name, Math.max(rate, best.get(name) ?? 0));
    }
  }
  for (const [name, rate] of best) console.log(`${name}: ${rate.toFixed(1)} texts/s`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
