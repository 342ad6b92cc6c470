import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DataError } from "../../src/data/data-error.js";
import { averagePrecision } from "../../src/eval/average-precision.js";
import { precisionRecall } from "../../src/eval/precision-recall.js";
import { annotationMatrix, linesOf, parseAnnotations } from "../../src/eval/reference-annotations.js";
import { averagePrecisionFile, precisionRecallFile, predictionFile, predictTags, summaryFile } from "../../src/eval/reference-report.js";
import { readSafetensorsFixture } from "../read-safetensors.js";
import { shared, sharedMissing } from "../shared-data.js";

const skip = sharedMissing("parity/metrics");
const text = (name: string): string => readFileSync(shared(`parity/metrics/${name}`), "utf8");
const numbers = (name: string): number[] => linesOf(text(name)).map(Number);
const close = (a: number, e: number, tolerance: number, what: string): void => assert.ok(Math.abs(a - e) <= tolerance, `${what}: ${a}, expected ${e}`);

interface Column {
  readonly tag: string;
  readonly AP_reference: number;
  readonly AP_lowest: number;
  readonly AP_highest: number;
  readonly AP_stable_then_reversed: number;
  readonly ties_matter: boolean;
}

test("average precision equals the reference's, for a tag list with duplicates", { skip }, () => {
  const expected = JSON.parse(text("expected.json"));
  const tagList = linesOf(text("taglist_duplicates.txt"));
  const truth = annotationMatrix(parseAnnotations(text("annots.txt")), tagList, "annots.txt");
  const scores = readSafetensorsFixture(shared("parity/metrics/predictions.safetensors")).get("scores_20")!.data as Float32Array;
  const values = (expected.mAP_duplicates.columns as Column[]).map((column, c) => {
    const ap = averagePrecision(truth.map((_, i) => scores[i * 20 + c]!), truth.map((row) => row[c]!));
    if (!column.ties_matter) close(ap, column.AP_reference, 1e-9, column.tag);
    assert.ok(ap >= column.AP_lowest - 1e-9 && ap <= column.AP_highest + 1e-9, column.tag);
    close(ap, column.AP_stable_then_reversed, 1e-9, `${column.tag}, later photo first`);
    return { ap, ties: column.ties_matter };
  });
  const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
  close(mean(values.filter((v) => !v.ties).map((v) => v.ap)), expected.mAP_duplicates.mean_AP_of_columns_without_relevant_ties, 1e-9, "mean without ties");
  const map = mean(values.map((v) => v.ap));
  assert.ok(map >= expected.mAP_duplicates.mAP_lowest - 1e-9 && map <= expected.mAP_duplicates.mAP_highest + 1e-9);
});

test("precision and recall, and every report file, equal the reference's", { skip }, () => {
  const expected = JSON.parse(text("expected.json"));
  const tagList = linesOf(text("taglist.txt"));
  const images = parseAnnotations(text("annots.txt"));
  const truth = annotationMatrix(images, tagList, "annots.txt");
  const scores = readSafetensorsFixture(shared("parity/metrics/predictions.safetensors")).get("scores_18")!.data as Float32Array;
  const names = images.map((each) => each.image);
  const files = [
    ["pred.txt", numbers("thresholds.txt")],
    ["pred_threshold_0.5.txt", tagList.map(() => 0.5)],
    ["pred_default_thresholds.txt", expected.default_thresholds as number[]],
  ] as const;
  for (const [file, thresholds] of files) assert.equal(predictionFile(predictTags(names, tagList, scores, thresholds)), text(`reports/${file}`), file);
  const figures = precisionRecall(annotationMatrix(predictTags(names, tagList, scores, numbers("thresholds.txt")), tagList, "pred.txt"), truth);
  (expected.PR.P as number[]).forEach((p, i) => close(figures.precision[i]!, p, 1e-9, `precision of ${tagList[i]}`));
  (expected.PR.R as number[]).forEach((r, i) => close(figures.recall[i]!, r, 1e-9, `recall of ${tagList[i]}`));
  close(figures.meanPrecision, expected.PR.CP, 1e-9, "CP");
  close(figures.meanRecall, expected.PR.CR, 1e-9, "CR");
  assert.equal(precisionRecallFile(tagList, figures), text("reports/pr.txt"));

  const values = tagList.map((_, c) => averagePrecision(truth.map((_row, i) => scores[i * 18 + c]!), truth.map((row) => row[c]!)));
  const columns = expected.mAP_duplicates.columns as Column[];
  const tied = new Set(columns.filter((column) => column.ties_matter).map((column) => column.tag));
  const [own, reference] = [averagePrecisionFile(tagList, values), text("reports/ap.txt")].map((file) => linesOf(file).filter((line) => !tied.has(line.split(",")[0]!)));
  assert.deepEqual(own, reference);
  const summary = (file: string): number[] => linesOf(file).map((line) => Number(line.split(": ")[1]));
  const [mine, theirs] = [summary(summaryFile(values.reduce((a, b) => a + b, 0) / 18, figures)), summary(text("reports/summary.txt"))];
  close(mine[1]!, theirs[1]!, 1e-7, "CP");
  close(mine[2]!, theirs[2]!, 1e-7, "CR");
  const [low, high] = ["AP_lowest", "AP_highest"].map((key) => (100 * tagList.map((tag) => (columns.find((c) => c.tag === tag) as unknown as Record<string, number>)[key]!).reduce((a, b) => a + b, 0)) / 18);
  assert.ok(mine[0]! >= low! - 1e-7 && mine[0]! <= high! + 1e-7);
});

test("no positives give 0, all positives just under 1", () => {
  assert.equal(averagePrecision([0.1, 0.2], [false, false]), 0);
  assert.equal(averagePrecision([0.1, 0.2], [true, true]), 2 / (2 + 1e-8));
});

test("a tag that is not in the list is an error naming image and tag", () => {
  assert.throws(
    () => annotationMatrix([{ image: "a", tags: ["dgo"] }], ["dog"], "annots.txt"),
    (error: unknown) => error instanceof DataError && /a: tag "dgo"/.test(error.message),
  );
});
