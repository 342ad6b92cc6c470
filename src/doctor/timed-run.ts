import type { Pixels } from "../image/pixels.js";
import { Tagger } from "../tagger/tagger.js";
import { seededRandom } from "../tensor/random.js";
import type { ChildTask } from "./child-task.js";
import type { TimedRun } from "./diagnosis.js";

const photos = 4;

/** A made-up photo, always the same. */
function madePhoto(width: number, height: number): Pixels {
  const random = seededRandom(1);
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, (_, i) => ((Math.floor(i / 3) % width) * 255) / width / 2 + random() * 127) };
}

/** Loads a model and tags a photo a few times. Throws what the tagger throws, and an Error for scores that are no probabilities. Run it in a process of its own. */
export async function timedRun({ model, device, dtype }: Extract<ChildTask, { readonly kind: "run" }>): Promise<TimedRun> {
  const began = performance.now();
  await using tagger = await Tagger.load(model, { ...(device !== undefined && { device }), ...(dtype !== undefined && { dtype }) });
  const loadMs = performance.now() - began;
  const photo = madePhoto(640, 480);
  const times: number[] = [];
  for (let i = 0; i < photos; i++) {
    const start = performance.now();
    const { scores } = await tagger.tag(photo, { scores: true });
    times.push(performance.now() - start);
    if (!scores!.every((score) => score >= 0 && score <= 1)) throw new Error(`the scores of a photo are no probabilities: ${scores!.find((score) => !(score >= 0 && score <= 1))}`);
  }
  const [firstMs, ...later] = times as [number, ...number[]];
  later.sort((a, b) => a - b);
  // maxRSS is in kilobytes on every system, as libuv gives it.
  return { model, device: tagger.device, dtype: tagger.dtype, loadMs, firstMs, photoMs: later[Math.floor(later.length / 2)]!, peakMemory: process.resourceUsage().maxRSS * 1024 };
}
