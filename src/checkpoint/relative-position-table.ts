import { splineMatrix } from "./cubic-spline.js";

/** Where the reference puts a table's values, and where it reads the resized one's, along either axis. */
export interface PositionGrid {
  /** Ratio of the steps between source coordinates. */
  readonly q: number;
  readonly source: readonly number[];
  readonly target: readonly number[];
}

/**
 * Coordinates of the reference's resize: sources in geometric steps 1, q, q^2, ... outwards from the middle, q by bisection such that they
 * reach the border of the target (as far as q between 1.01 and 1.5 allows); targets at the integers.
 */
export function positionGrid(sourceSide: number, targetSide: number): PositionGrid {
  const steps = Math.floor(sourceSide / 2);
  const reach = Math.floor(targetSide / 2);
  let [left, right, q] = [1.01, 1.5, 0];
  while (right - left > 1e-6) {
    q = (left + right) / 2;
    if ((1 - q ** steps) / (1 - q) > reach) right = q;
    else left = q;
  }
  const outwards: number[] = [];
  for (let step = 0, at = 0; step < steps; step++) outwards.push((at += q ** step));
  return {
    q,
    source: [...outwards.map((x) => -x).reverse(), 0, ...outwards],
    target: Array.from({ length: 2 * reach + 1 }, (_, i) => i - reach),
  };
}

/**
 * A relative position table [sourceSide^2, heads] enlarged or reduced to [targetSide^2, heads] as the reference does (`positionGrid`, then a
 * bicubic not-a-knot spline in double precision); sides are 2 window - 1. Equal sides give the table itself. Throws a RangeError for a side
 * that is even or below 5 (window 3), which no spline fits, and for a table of another length.
 */
export function resizeRelativePositionTable(table: Float32Array, sourceSide: number, targetSide: number, heads: number): Float32Array {
  if (table.length !== sourceSide * sourceSide * heads) throw new RangeError(`a table of side ${sourceSide} for ${heads} heads has ${sourceSide * sourceSide * heads} values, received ${table.length}`);
  if (sourceSide === targetSide) return table;
  if (!(sourceSide >= 5 && sourceSide % 2 === 1)) throw new RangeError(`cannot resize a position table of side ${sourceSide}: expected an odd side of 5 (window 3) or more`);
  if (!(targetSide >= 1 && targetSide % 2 === 1)) throw new RangeError(`cannot resize a position table to side ${targetSide}: expected an odd side`);

  const { source, target } = positionGrid(sourceSide, targetSide);
  const matrix = splineMatrix(source, target);
  const resized = new Float32Array(targetSide * targetSide * heads);
  const columns = new Float64Array(sourceSide * targetSide);
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < sourceSide; row++) {
      for (let column = 0; column < targetSide; column++) {
        let sum = 0;
        for (let k = 0; k < sourceSide; k++) sum += matrix[column * sourceSide + k]! * table[(row * sourceSide + k) * heads + head]!;
        columns[row * targetSide + column] = sum;
      }
    }
    for (let row = 0; row < targetSide; row++) {
      for (let column = 0; column < targetSide; column++) {
        let sum = 0;
        for (let k = 0; k < sourceSide; k++) sum += matrix[row * sourceSide + k]! * columns[k * targetSide + column]!;
        resized[(row * targetSide + column) * heads + head] = sum;
      }
    }
  }
  return resized;
}
