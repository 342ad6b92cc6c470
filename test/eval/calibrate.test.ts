import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { probabilityOfScore, thresholdForPrecision, type TagCalibration } from "../../src/bundle/calibration.js";
import { calibrate, type CalibrationTag } from "../../src/eval/calibrate.js";
import { isotonicMap } from "../../src/eval/isotonic.js";
import { allThresholds, fitThreshold, frontier } from "../../src/eval/threshold-target.js";
import { seededRandom } from "../../src/tensor/random.js";

/** Scores from 0 to 1, in steps so that some are equal, and truths. */
const truthed = fc
  .array(fc.record({ score: fc.integer({ min: 0, max: 40 }), right: fc.boolean() }), { minLength: 8, maxLength: 60 })
  .filter((photos) => photos.some(({ right }) => right) && photos.some(({ right }) => !right))
  .map((photos) => ({ scores: Float32Array.from(photos, ({ score }) => score / 41 + 0.01), truth: Uint8Array.from(photos, ({ right }) => Number(right)) }));

function decided({ scores, truth }: { scores: Float32Array; truth: Uint8Array }, threshold: number): { precision: number; recall: number } {
  let [hit, found, there] = [0, 0, 0];
  scores.forEach((score, i) => {
    there += truth[i]!;
    if (score > threshold) {
      found++;
      hit += truth[i]!;
    }
  });
  return { precision: hit / found, recall: hit / there };
}

test("a threshold for a precision has it on its own data, and no lower one of those kept has", () => {
  fc.assert(
    fc.property(truthed, fc.double({ min: 0.05, max: 1, noNaN: true }), (data, precision) => {
      const points = frontier(allThresholds(data), 1000);
      const tag: TagCalibration = { en: "x", positives: 1, negatives: 1, points };
      const threshold = thresholdForPrecision(tag, precision);
      const reach = allThresholds(data).filter((point) => point.precision >= precision);
      if (reach.length === 0) assert.ok(threshold === null || points.length === 0);
      else {
        assert.ok(decided(data, threshold!).precision >= precision);
        assert.equal(threshold, Math.min(...reach.map((point) => point.threshold)));
      }
      for (const point of points) assert.deepEqual(decided(data, point.threshold), { precision: point.precision, recall: point.recall });
      points.slice(1).forEach((point, i) => assert.ok(point.threshold < points[i]!.threshold && point.precision < points[i]!.precision && point.recall >= points[i]!.recall));
    }),
    { numRuns: 300, seed: 5 },
  );
});

test("targets: the most recall at a precision; the most precision at a recall", () => {
  fc.assert(
    fc.property(truthed, fc.double({ min: 0.05, max: 1, noNaN: true }), (data, value) => {
      const points = allThresholds(data);
      for (const [kind, other] of [["precision", "recall"], ["recall", "precision"]] as const) {
        const threshold = fitThreshold(points, { kind, value });
        const reach = points.filter((point) => point[kind] >= value);
        assert.equal(threshold === null, reach.length === 0);
        if (threshold === null) continue;
        const own = decided(data, threshold);
        assert.ok(own[kind] >= value);
        assert.equal(own[other], Math.max(...reach.map((point) => point[other])));
      }
    }),
    { numRuns: 200, seed: 6 },
  );
});

test("the isotonic map never falls, keeps the mean, and is its own map", () => {
  fc.assert(
    fc.property(truthed, (data) => {
      const knots = isotonicMap(data, 1000);
      knots.slice(1).forEach((knot, i) => assert.ok(knot.score > knots[i]!.score && knot.probability > knots[i]!.probability));
      const tag: TagCalibration = { en: "x", positives: 1, negatives: 1, points: [], probabilities: knots };
      const all = Array.from(data.scores).sort((a, b) => a - b).map((score) => probabilityOfScore(tag, score)!);
      all.slice(1).forEach((probability, i) => assert.ok(probability >= all[i]! && probability <= 1 && all[i]! >= 0));
      const few = isotonicMap(data, 4);
      assert.ok(few.length <= 4);
    }),
    { numRuns: 200, seed: 7 },
  );
  // By hand: 1 0 | 1 1 pools the first two.
  assert.deepEqual(
    isotonicMap({ scores: Float32Array.of(0.25, 0.5, 0.75, 0.75), truth: Uint8Array.of(1, 0, 1, 1) }),
    [
      { score: 0.375, probability: 0.5 },
      { score: 0.75, probability: 1 },
    ],
  );
});

/** A tag whose scores are right as often as they say, but for a shift of its threshold. */
function shifted(en: string, count: number, threshold: number, seed: number): CalibrationTag {
  const random = seededRandom(seed);
  const scores = Float32Array.from({ length: count }, () => random());
  const truth = Uint8Array.from(scores, (score) => Number(random() < score ** 3));
  return { en, threshold, scores, truth, photos: Array.from(scores, (_, i) => `photo ${i}`) };
}

test("a wrong threshold is mended on photos left out; few examples and no gain keep the old one", () => {
  const tags = [shifted("shifted", 400, 0.05, 1), { ...shifted("rare", 400, 0.4, 2), truth: new Uint8Array(400).fill(1, 0, 3) }, shifted("right", 400, 0.62, 1)];
  const { report, tags: fitted } = calibrate(tags, { probabilities: true });
  const [mended, rare, right] = report.tags;
  assert.equal(mended!.outcome, "fitted");
  assert.ok(mended!.after.f1 > mended!.before.f1 + 0.1, `${mended!.before.f1} to ${mended!.after.f1}`);
  assert.equal(rare!.outcome, "few");
  assert.equal(rare!.threshold, 0.4);
  assert.deepEqual(fitted[1]!.points, []);
  assert.ok(right!.after.f1 >= right!.before.f1);
  assert.ok(report.overall.after.f1 > report.overall.before.f1);
  assert.ok(report.brier!.after < report.brier!.before);
  assert.equal(fitted[1]!.probabilities, undefined);
  assert.ok(fitted[0]!.probabilities!.length > 2);
  const unreached = calibrate([shifted("x", 60, 0.5, 3)], { target: { kind: "precision", value: 1 } });
  assert.ok(["fitted", "not reached"].includes(unreached.report.tags[0]!.outcome));
  assert.throws(() => calibrate(tags, { folds: 1 }), { code: "bad-option" });
  assert.throws(() => calibrate(tags, { target: { kind: "precision", value: 2 } }), { code: "bad-option" });
});

test("the order of photos changes nothing", () => {
  const tag = shifted("x", 200, 0.3, 9);
  const order = [...tag.photos.keys()].sort((a, b) => ((a * 7919) % 200) - ((b * 7919) % 200));
  const moved = { ...tag, scores: Float32Array.from(order, (i) => tag.scores[i]!), truth: Uint8Array.from(order, (i) => tag.truth[i]!), photos: order.map((i) => tag.photos[i]!) };
  const [first, second] = [calibrate([moved], { probabilities: true }), calibrate([tag], { probabilities: true })];
  // A sum of squares in another order may differ in its last digit.
  assert.ok(Math.abs(first.report.brier!.after - second.report.brier!.after) < 1e-12);
  assert.deepEqual({ ...first, report: { ...first.report, brier: null } }, { ...second, report: { ...second.report, brier: null } });
});
