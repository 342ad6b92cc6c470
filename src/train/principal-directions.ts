import { EigenvalueDecomposition, Matrix } from "ml-matrix";

/** The `count` principal directions of the rows of a matrix [rows, width], each a unit vector, largest variance first: [count, width]. */
export function principalDirections(rows: readonly Float32Array[], count: number): Float32Array[] {
  const width = rows[0]!.length;
  const mean = meanVector(rows);
  const centred = new Matrix(rows.map((row) => Array.from(row, (v, i) => v - mean[i]!)));
  // The smaller of the two Gram matrices has the same non-zero eigenvalues.
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(centred.mmul(centred.transpose()), { assumeSymmetric: true });
  const order = realEigenvalues.map((value, i) => [value, i] as const).sort((a, b) => b[0] - a[0]);
  return order.slice(0, count).map(([value, column]) => {
    const direction = new Float32Array(width);
    const scale = 1 / Math.sqrt(Math.max(value, 1e-12));
    for (let r = 0; r < rows.length; r++) {
      const weight = eigenvectorMatrix.get(r, column) * scale;
      for (let i = 0; i < width; i++) direction[i] = direction[i]! + weight * centred.get(r, i);
    }
    return direction;
  });
}

/** Mean of vectors of one width. */
export function meanVector(rows: readonly Float32Array[]): Float32Array {
  const mean = new Float64Array(rows[0]!.length);
  for (const row of rows) for (let i = 0; i < mean.length; i++) mean[i] = mean[i]! + row[i]! / rows.length;
  return Float32Array.from(mean);
}
