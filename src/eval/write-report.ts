import { join } from "node:path";
import { RamplusError } from "../error.js";
import { thumbnail } from "../image/thumbnail.js";
import { packageVersion } from "../package-info.js";
import { writeWhole } from "../write-whole.js";
import { decodePhoto, photoBytes } from "../tagger/image-input.js";
import { EvalError } from "./eval-error.js";
import type { Measured, Subject } from "./evaluate.js";
import { htmlReport } from "./html-report.js";
import { averagePrecisionFile, precisionRecallFile, predictionLines, summaryFile } from "./reference-report.js";
import { worstTags, type WorstTag } from "./worst-tags.js";

const tagsWithPhotos = 12;
const photosEach = 5;
/** Pixels on the longer side of a photo in the report. */
const thumbnailSide = 160;

interface ReportOptions {
  readonly orient: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Writes a report into a folder that is there: the reference's `summary.txt`, `ap.txt`, `pr.txt` and `pred.txt`, all figures as
 * `report.json`, and `report.html`. Throws an EvalError (unwritable), and the signal's reason when aborted.
 */
export async function writeReport(folder: string, { evaluation, scored, columns }: Measured, subject: Subject, options: ReportOptions): Promise<void> {
  const own = columns.slice(0, subject.own.length);
  const worst = worstTags(evaluation.tags, own, tagsWithPhotos, photosEach);
  const thumbnails = await thumbnailsOf(worst, scored.photos, subject, options);
  await writeFileOf(join(folder, "summary.txt"), summaryFile(evaluation));
  await writeFileOf(join(folder, "ap.txt"), averagePrecisionFile(evaluation));
  await writeFileOf(join(folder, "pr.txt"), precisionRecallFile(evaluation));
  await writeFileOf(join(folder, "pred.txt"), blocks(predictionLines(scored.photos, own)));
  await writeFileOf(join(folder, "report.json"), `${JSON.stringify(evaluation, null, 1)}\n`);
  await writeFileOf(join(folder, "report.html"), htmlReport(evaluation, worst, { names: scored.photos, thumbnails }, `ramplus ${packageVersion()}`));
}

/** Small pictures of the photos of some tags; one that can no longer be read has none. */
async function thumbnailsOf(worst: readonly WorstTag[], names: readonly string[], { source }: Subject, { orient, signal }: ReportOptions): Promise<Map<number, Uint8Array>> {
  const indices = new Map(worst.flatMap(({ low, high }) => [...low, ...high]).map(({ photo }) => [names[photo]!, photo]));
  const thumbnails = new Map<number, Uint8Array>();
  if (indices.size === 0) return thumbnails;
  for await (const { name, image } of source.photos(new Set(indices.keys()), signal)) {
    signal?.throwIfAborted();
    try {
      thumbnails.set(indices.get(name)!, await thumbnail(await decodePhoto(image, await photoBytes(image), { orient }), thumbnailSide));
    } catch (error) {
      if (!(error instanceof RamplusError)) throw error;
    }
    // The rest of a large set need not be read for nothing.
    if (thumbnails.size === indices.size) break;
  }
  return thumbnails;
}

/** Lines gathered to blocks worth writing. */
function* blocks(lines: Iterable<string>): Generator<string> {
  let block = "";
  for (const line of lines) {
    block += line;
    if (block.length < 65_536) continue;
    yield block;
    block = "";
  }
  yield block;
}

async function writeFileOf(file: string, content: string | Iterable<string>): Promise<void> {
  try {
    await writeWhole(file, content);
  } catch (cause) {
    throw new EvalError("unwritable", `${file}: cannot be written: ${(cause as Error).message}`, { cause });
  }
}
