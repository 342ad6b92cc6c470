import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DataError } from "../../src/data/data-error.js";
import { annotatedColumns, linesOf, parseAnnotations } from "../../src/data/reference-annotations.js";
import { averagePrecision } from "../../src/eval/average-precision.js";
import { evaluateScores } from "../../src/eval/evaluate-scores.js";
import { averagePrecisionFile, precisionRecallFile, predictionLines, summaryFile } from "../../src/eval/reference-report.js";
import type { ScoredColumn } from "../../src/eval/tag-figures.js";
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

/** A list of the reference with the recorded scores, as what is evaluated. */
function columnsOf(list: string, tensor: string, thresholds: readonly number[] | null): ScoredColumn[] {
  const tagList = linesOf(text(list));
  const images = annotatedColumns(parseAnnotations(text("annots.txt")), tagList, "annots.txt");
  const scores = readSafetensorsFixture(shared("parity/metrics/predictions.safetensors")).get(tensor)!.data as Float32Array;
  return tagList.map((name, c) => ({
    name,
    threshold: thresholds?.[c] ?? 0.5,
    scores: Float32Array.from(images, (_, i) => scores[i * tagList.length + c]!),
    shownBy: images.flatMap((own, i) => (own.includes(c) ? [i] : [])),
  }));
}

test("average precision equals the reference's, for a tag list with duplicates", { skip }, () => {
  const expected = JSON.parse(text("expected.json"));
  const { tags, overall } = evaluateScores(columnsOf("taglist_duplicates.txt", "scores_20", null));
  const columns = expected.mAP_duplicates.columns as Column[];
  assert.equal(tags.length, columns.length);
  columns.forEach((column, c) => {
    const { ap, name } = tags[c]!;
    assert.equal(name, column.tag);
    if (!column.ties_matter) close(ap, column.AP_reference, 1e-9, column.tag);
    assert.ok(ap >= column.AP_lowest - 1e-9 && ap <= column.AP_highest + 1e-9, column.tag);
    close(ap, column.AP_stable_then_reversed, 1e-9, `${column.tag}, later photo first`);
  });
  const untied = tags.filter((_, c) => !columns[c]!.ties_matter).map(({ ap }) => ap);
  close(untied.reduce((a, b) => a + b, 0) / untied.length, expected.mAP_duplicates.mean_AP_of_columns_without_relevant_ties, 1e-9, "mean without ties");
  assert.ok(overall.map >= expected.mAP_duplicates.mAP_lowest - 1e-9 && overall.map <= expected.mAP_duplicates.mAP_highest + 1e-9);
});

test("precision and recall, and every report file, equal the reference's", { skip }, () => {
  const expected = JSON.parse(text("expected.json"));
  const names = parseAnnotations(text("annots.txt")).map(({ image }) => image);
  const columns = columnsOf("taglist.txt", "scores_18", numbers("thresholds.txt"));
  const files = [
    ["pred.txt", numbers("thresholds.txt")],
    ["pred_threshold_0.5.txt", columns.map(() => 0.5)],
    ["pred_default_thresholds.txt", expected.default_thresholds as number[]],
  ] as const;
  for (const [file, thresholds] of files) assert.equal([...predictionLines(names, columns.map((column, c) => ({ ...column, threshold: thresholds[c]! })))].join(""), text(`reports/${file}`), file);
  const figures = evaluateScores(columns);
  (expected.PR.P as number[]).forEach((p, i) => close(figures.tags[i]!.reference.precision, p, 1e-9, `precision of ${columns[i]!.name}`));
  (expected.PR.R as number[]).forEach((r, i) => close(figures.tags[i]!.reference.recall, r, 1e-9, `recall of ${columns[i]!.name}`));
  close(figures.overall.reference.precision, expected.PR.CP, 1e-9, "CP");
  close(figures.overall.reference.recall, expected.PR.CR, 1e-9, "CR");
  assert.equal(precisionRecallFile(figures), text("reports/pr.txt"));

  const recorded = expected.mAP_duplicates.columns as Column[];
  const tied = new Set(recorded.filter((column) => column.ties_matter).map((column) => column.tag));
  const [own, reference] = [averagePrecisionFile(figures), text("reports/ap.txt")].map((file) => linesOf(file).filter((line) => !tied.has(line.split(",")[0]!)));
  assert.deepEqual(own, reference);
  const summary = (file: string): number[] => linesOf(file).map((line) => Number(line.split(": ")[1]));
  const [mine, theirs] = [summary(summaryFile(figures)), summary(text("reports/summary.txt"))];
  close(mine[1]!, theirs[1]!, 1e-7, "CP");
  close(mine[2]!, theirs[2]!, 1e-7, "CR");
  const [low, high] = (["AP_lowest", "AP_highest"] as const).map((key) => (100 * columns.map(({ name }) => recorded.find(({ tag }) => tag === name)![key]).reduce((a, b) => a + b, 0)) / 18);
  assert.ok(mine[0]! >= low! - 1e-7 && mine[0]! <= high! + 1e-7);
});

test("tagging compares by > in float32, the reference's evaluation by >= with the decimal threshold", () => {
  const [at, half] = [Math.fround(0.6), 0.5];
  // float32(0.6) is above 0.6, so only tagging leaves it out; 0.5 is exact, so only >= takes it.
  const { tags } = evaluateScores([
    { name: "a", threshold: 0.6, scores: Float32Array.of(at, 0.9), shownBy: [0] },
    { name: "b", threshold: half, scores: Float32Array.of(half, 0.9), shownBy: [0] },
    { name: "off", threshold: null, scores: Float32Array.of(1, 1), shownBy: [0] },
  ]);
  assert.deepEqual(tags.map(({ recall, reference }) => [Math.round(recall), Math.round(reference.recall)]), [[0, 1], [0, 1], [0, 0]]);
});

test("no positives give 0, all positives just under 1", () => {
  assert.equal(averagePrecision([0.1, 0.2], [false, false]), 0);
  assert.equal(averagePrecision([0.1, 0.2], [true, true]), 2 / (2 + 1e-8));
});

test("a tag that is not in the list is an error naming image and tag", () => {
  assert.throws(
    () => annotatedColumns([{ image: "a", tags: ["dgo"] }], ["dog"], "annots.txt"),
    (error: unknown) => error instanceof DataError && /a: tag "dgo"/.test(error.message),
  );
});
