import { createWriteStream, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import sharp from "sharp";
import { pack } from "tar-stream";

const colours = ["red", "green", "blue"] as const;

/** Writes a labelled set of coloured squares, red, green and blue in turn; `labelOf` gives the class of the one at a place. */
export async function writeSquares(set: string, count: number, classes: readonly string[], labelOf: (i: number) => number): Promise<void> {
  mkdirSync(set, { recursive: true });
  const shard = pack();
  const labels: Record<string, number> = {};
  const written = pipeline(shard, createGzip(), createWriteStream(join(set, "train.tar.gz")));
  for (let i = 0; i < count; i++) {
    const colour = colours[i % 3]!;
    const bytes = await sharp({ create: { width: 30 + (i % 24), height: 40, channels: 3, background: colour } }).png().toBuffer();
    shard.entry({ name: `${colour}-${i}.png` }, bytes);
    labels[`${colour}-${i}`] = labelOf(i);
  }
  shard.finalize();
  await written;
  writeFileSync(join(set, "labels.json"), JSON.stringify({ classes: classes.map((name) => ({ name })), splits: { train: labels } }));
}

/** Writes a labelled set of coloured squares and a training configuration on it; gives the configuration's path. */
export async function writeSyntheticRun(folder: string, steps: number): Promise<string> {
  await writeSquares(join(folder, "set"), 24, colours, (i) => i % 3);
  writeFileSync(join(folder, "vocabulary.json"), JSON.stringify([...colours.map((en) => ({ en, zh: en, parents: ["colour"] })), { en: "colour", zh: "颜色" }]));
  const config = {
    model: { encoder: { kind: "swin", imageSize: 32, embedWidth: 8, depths: [2, 2], heads: [1, 2], window: 4 }, textWidth: 8, descriptions: 2, head: { width: 16, layers: 1, heads: 2, intermediate: 16 } },
    vocabulary: "vocabulary.json",
    sources: [{ set: "set" }],
    heldOut: 0.2,
    phases: [{ name: "only", from: "pixels", steps, batch: 4, drawnTags: 3, rate: 3e-3, warmup: 2, stochasticDepth: 0.1, augment: true, ema: 0.9, losses: { tagging: 1, tagAlignment: 0.5 } }],
    seed: 5,
    logEvery: 1,
    saveEvery: 3,
  };
  writeFileSync(join(folder, "train.json"), JSON.stringify(config));
  return join(folder, "train.json");
}
