import type { AnnotatedImage } from "./reference-annotations.js";
import type { PrecisionRecall } from "./precision-recall.js";

/**
 * Tags of each image whose score is at least the threshold, in the list's order. As in the reference's evaluation the
 * float32 score is widened and compared with the decimal threshold by >=; tagging compares by > in float32.
 */
export function predictTags(images: readonly string[], tagList: readonly string[], scores: Float32Array, thresholds: readonly number[]): AnnotatedImage[] {
  return images.map((image, row) => ({ image, tags: tagList.filter((_, column) => scores[row * tagList.length + column]! >= thresholds[column]!) }));
}

/** `pred.txt`: an image a line, then its tags, joined by commas. */
export function predictionFile(predictions: readonly AnnotatedImage[]): string {
  return predictions.map(({ image, tags }) => `${[image, ...tags].join(",")}\n`).join("");
}

const percent = (value: number): string => (100 * value).toFixed(2);

/** `pr.txt`: precision and recall of each tag in per cent. */
export function precisionRecallFile(tagList: readonly string[], { precision, recall }: PrecisionRecall): string {
  return `Tag,Precision,Recall\n${tagList.map((tag, i) => `${tag},${percent(precision[i]!)},${percent(recall[i]!)}\n`).join("")}`;
}

/** `ap.txt`: average precision of each tag in per cent. */
export function averagePrecisionFile(tagList: readonly string[], values: readonly number[]): string {
  return `Tag,AP\n${tagList.map((tag, i) => `${tag},${percent(values[i]!)}\n`).join("")}`;
}

/** `summary.txt`: mAP and the means of precision and recall, in per cent at full precision. */
export function summaryFile(map: number, { meanPrecision, meanRecall }: PrecisionRecall): string {
  return `mAP: ${100 * map}\nCP: ${100 * meanPrecision}\nCR: ${100 * meanRecall}\n`;
}
