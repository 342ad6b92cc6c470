import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { averagePrecision } from "../../src/eval/average-precision.js";
import { evaluateScores } from "../../src/eval/evaluate-scores.js";
import { pooledCurve } from "../../src/eval/pooled-curve.js";
import { byFallingScore } from "../../src/eval/ranking.js";
import { countsAbove, type ScoredColumn } from "../../src/eval/tag-figures.js";

const score = fc.oneof(fc.float({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, Math.fround(0.3), 0.5, 0.75, 1, 2 ** -149, 1 - 2 ** -24));
/** Columns of the same photos, with ties. */
const columns = fc.integer({ min: 1, max: 30 }).chain((photos) =>
  fc.array(
    fc.record({ scores: fc.array(score, { minLength: photos, maxLength: photos }), truth: fc.array(fc.boolean(), { minLength: photos, maxLength: photos }), threshold: fc.option(score) }).map(
      ({ scores, truth, threshold }): ScoredColumn => ({ name: "tag", threshold, scores: Float32Array.from(scores), shownBy: truth.flatMap((shown, p) => (shown ? [p] : [])) }),
    ),
    { minLength: 1, maxLength: 4 },
  ),
);
const close = (a: number, b: number, what: string): void => assert.ok(Math.abs(a - b) < 1e-6, `${what}: ${a}, ${b}`);

test("the order of float32 scores is that of their values, the later of equal ones first", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(score, fc.float({ noNaN: true }), fc.constant(-0)), { maxLength: 40 }), (scores) => {
      const packed = byFallingScore(Float32Array.from(scores));
      assert.deepEqual([...packed], [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || b - a));
      assert.deepEqual(packed, byFallingScore(scores), "a plain list is ordered alike");
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("a tag's best threshold has the best F1 of all, and break-even comes as near to it as ties allow", () => {
  fc.assert(
    fc.property(columns, (list) => {
      for (const [i, tag] of evaluateScores(list).tags.entries()) {
        const column = list[i]!;
        close(tag.ap, averagePrecision(column.scores, Uint8Array.from(column.scores, (_, p) => Number(Array.from(column.shownBy).includes(p)))), "AP");
        if (column.shownBy.length === 0) assert.equal(tag.best, null);
        // Each score is a threshold of its own, and so is what lies below them all.
        const cuts = [0, ...column.scores].map((threshold) => countsAbove(column, threshold)).filter(({ found }) => found > 0);
        if (tag.best === null || tag.breakEven === null) return;
        const at = countsAbove(column, tag.best.threshold);
        close(tag.best.recall, at.hit / at.there, "recall at the best threshold");
        close(tag.best.precision, at.hit / at.found, "precision at the best threshold");
        close(tag.best.f1, Math.max(...cuts.map(({ hit, found, there }) => (2 * hit) / (found + there))), "best F1");
        const even = countsAbove(column, tag.breakEven.threshold);
        assert.equal(Math.abs(even.found - even.there), Math.min(...cuts.map(({ found, there }) => Math.abs(found - there))));
      }
    }),
    { seed: 2, numRuns: 300 },
  );
});

test("the pooled curve's figures are those of its thresholds, its break-even as near as ties allow", () => {
  fc.assert(
    fc.property(columns, (list) => {
      const pooled = pooledCurve(list);
      const there = list.reduce((sum, { shownBy }) => sum + shownBy.length, 0);
      const all = (threshold: number): { hit: number; found: number } => list.map((column) => countsAbove(column, threshold)).reduce((a, b) => ({ hit: a.hit + b.hit, found: a.found + b.found }), { hit: 0, found: 0 });
      for (const { threshold, precision, recall } of [...pooled.curve, ...(pooled.best ? [pooled.best] : []), ...(pooled.breakEven ? [pooled.breakEven] : [])]) {
        const { hit, found } = all(threshold);
        close(precision, hit / found, "precision");
        close(recall, hit / there, "recall");
      }
      if (there === 0) assert.equal(pooled.breakEven, null);
      // A threshold for what is above 0 and for each score; scores nearer to 0 than a bin is wide are no threshold of the curve.
      const cuts = list.flatMap(({ scores }) => [...scores]).filter((value) => value > 1e-30).map((value) => all(value).found).filter((found) => found > 0);
      if (pooled.breakEven === null) return;
      const gap = Math.abs(all(pooled.breakEven.threshold).found - there);
      assert.ok(cuts.every((found) => Math.abs(found - there) >= gap), `${gap}, of ${cuts.map((found) => found - there)}`);
    }),
    { seed: 3, numRuns: 300 },
  );
});

test("groups take their tags alone", () => {
  const list: ScoredColumn[] = [
    { name: "a", threshold: 0.5, scores: Float32Array.of(0.9, 0.1), shownBy: [0] },
    { name: "b", threshold: 0.5, scores: Float32Array.of(0.9, 0.1), shownBy: [1] },
    { name: "c", threshold: 0.5, scores: Float32Array.of(0.9, 0.1), shownBy: [] },
  ];
  const { overall, groups } = evaluateScores(list, [{ name: "good", columns: [0] }, { name: "rest", columns: [1, 2] }]);
  close(overall.map, (1 + 0.5) / 3, "mAP");
  close(overall.mapOfShown, 1.5 / 2, "mAP of tags shown");
  assert.deepEqual(groups.map(({ name, tags, shown, positives }) => [name, tags, shown, positives]), [["good", 1, 1, 1], ["rest", 2, 1, 1]]);
  close(groups[0]!.f1, 1, "F1 of the good");
  close(groups[1]!.f1, 0, "F1 of the rest");
});
