import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { splineMatrix } from "../../src/checkpoint/cubic-spline.js";
import { positionGrid, resizeRelativePositionTable } from "../../src/checkpoint/relative-position-table.js";
import { readSafetensorsFixture } from "../read-safetensors.js";
import { shared, sharedMissing } from "../shared-data.js";

const folder = "parity/vision_multi_names";
const tolerance = 2e-6;

function assertNear(actual: ArrayLike<number>, expected: ArrayLike<number>, within: number, what: string): void {
  assert.equal(actual.length, expected.length, what);
  for (let i = 0; i < actual.length; i++) assert.ok(Math.abs(actual[i]! - expected[i]!) <= within, `${what}[${i}]: ${actual[i]}, expected ${expected[i]}`);
}

test("coordinates are the reference's", { skip: sharedMissing(folder) }, () => {
  const grids = JSON.parse(readFileSync(shared(`${folder}/grids.json`), "utf8")) as { src: number; dst: number; q: number; source_coordinates: number[]; target_coordinates: number[] }[];
  for (const { src, dst, q, source_coordinates, target_coordinates } of grids) {
    const grid = positionGrid(src, dst);
    assert.equal(grid.q, q);
    assertNear(grid.source, source_coordinates, 1e-12, `source ${src} to ${dst}`);
    assertNear(grid.target, target_coordinates, 0, `target ${src} to ${dst}`);
  }
});

test("tables are resized as the reference does", { skip: sharedMissing(folder) }, () => {
  const tables = readSafetensorsFixture(shared(`${folder}/tables.safetensors`));
  for (const [from, to] of [[5, 11], [13, 23], [23, 13]] as const) {
    const resized = resizeRelativePositionTable(tables.get(`in_${from}_to_${to}`)!.data as Float32Array, from, to, 3);
    assertNear(resized, tables.get(`out_${from}_to_${to}`)!.data as Float32Array, tolerance, `${from} to ${to}`);
  }
});

test("a whole checkpoint's tables are enlarged as the reference loads them", { skip: sharedMissing(folder) }, () => {
  const stored = readSafetensorsFixture(shared(`${folder}/checkpoint.safetensors`));
  const loaded = readSafetensorsFixture(shared(`${folder}/loaded.safetensors`));
  const names = [...stored.keys()].filter((name) => name.endsWith("relative_position_bias_table"));
  assert.equal(names.length, 6);
  for (const name of names) {
    const table = stored.get(name)!;
    const resized = resizeRelativePositionTable(table.data as Float32Array, 5, 11, table.shape[1]!);
    assertNear(resized, loaded.get(name)!.data as Float32Array, tolerance, name);
  }
});

test("a table of the wanted side is used as it is", () => {
  const table = Float32Array.from({ length: 18 }, (_, i) => i);
  assert.equal(resizeRelativePositionTable(table, 3, 3, 2), table);
});

test("sides that no spline fits are refused", () => {
  assert.throws(() => resizeRelativePositionTable(new Float32Array(9), 3, 11, 1), /window 3/);
  assert.throws(() => resizeRelativePositionTable(new Float32Array(25), 5, 12, 1), RangeError);
  assert.throws(() => resizeRelativePositionTable(new Float32Array(24), 5, 11, 1), /25 values, received 24/);
});

test("the spline reproduces cubics and stops at the borders", () => {
  const points = [-3, -1.2, 0, 0.5, 2, 4];
  const targets = [-3, -2, 0.1, 1, 3.9, 4, 9, -5];
  const cubic = (x: number): number => 2 - x + 0.5 * x ** 2 - 0.25 * x ** 3;
  const matrix = splineMatrix(points, targets);
  const values = targets.map((_, row) => points.reduce((sum, x, j) => sum + matrix[row * points.length + j]! * cubic(x), 0));
  assertNear(values, targets.map((x) => cubic(Math.min(Math.max(x, -3), 4))), 1e-12, "cubic");
});
