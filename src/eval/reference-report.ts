import type { ScoreFigures } from "./evaluate-scores.js";
import type { ScoredColumn } from "./tag-figures.js";

/**
 * `pred.txt`: an image a line, then its tags in the list's order, joined by commas. As in the reference's evaluation the float32
 * score is widened and compared with the decimal threshold by >=; tagging compares by > in float32.
 */
export function* predictionLines(images: readonly string[], columns: readonly ScoredColumn[]): Generator<string> {
  for (const [i, image] of images.entries()) {
    let line = image;
    for (const { name, scores, threshold } of columns) if (threshold !== null && scores[i]! >= threshold) line += `,${name}`;
    yield `${line}\n`;
  }
}

const percent = (value: number): string => (100 * value).toFixed(2);

/** `pr.txt`: precision and recall of each tag in per cent. */
export function precisionRecallFile({ tags }: Pick<ScoreFigures, "tags">): string {
  return `Tag,Precision,Recall\n${tags.map(({ name, reference }) => `${name},${percent(reference.precision)},${percent(reference.recall)}\n`).join("")}`;
}

/** `ap.txt`: average precision of each tag in per cent. */
export function averagePrecisionFile({ tags }: Pick<ScoreFigures, "tags">): string {
  return `Tag,AP\n${tags.map(({ name, ap }) => `${name},${percent(ap)}\n`).join("")}`;
}

/** `summary.txt`: mAP and the means of precision and recall, in per cent at full precision. */
export function summaryFile({ overall }: Pick<ScoreFigures, "overall">): string {
  return `mAP: ${100 * overall.map}\nCP: ${100 * overall.reference.precision}\nCR: ${100 * overall.reference.recall}\n`;
}
