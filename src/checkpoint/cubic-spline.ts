/**
 * The matrix [targets x points], row-major, that takes values at `points` (rising, at least 4) to the not-a-knot cubic spline through them at
 * `targets`; targets outside take the nearest border's value. In double precision. The second derivatives m solve
 * h(i-1) m(i-1) + 2 (h(i-1) + h(i)) m(i) + h(i) m(i+1) = 6 (slope(i) - slope(i-1)), and the third derivative does not jump at the second
 * and the last but one point (de Boor, A Practical Guide to Splines, chapter IV).
 */
export function splineMatrix(points: readonly number[], targets: readonly number[]): Float64Array {
  const n = points.length;
  const h = Float64Array.from({ length: n - 1 }, (_, i) => points[i + 1]! - points[i]!);
  const curvature = secondDerivatives(h);
  const matrix = new Float64Array(targets.length * n);
  targets.forEach((target, row) => {
    const x = Math.min(Math.max(target, points[0]!), points[n - 1]!);
    let i = 0;
    while (i < n - 2 && x > points[i + 1]!) i++;
    const width = h[i]!;
    const right = (x - points[i]!) / width;
    const left = 1 - right;
    const scale = (width * width) / 6;
    for (let j = 0; j < n; j++) {
      matrix[row * n + j] = scale * ((left ** 3 - left) * curvature[i * n + j]! + (right ** 3 - right) * curvature[(i + 1) * n + j]!);
    }
    matrix[row * n + i]! += left;
    matrix[row * n + i + 1]! += right;
  });
  return matrix;
}

/** The matrix [n x n] from values to second derivatives, by elimination over the system beside its right-hand sides. */
function secondDerivatives(h: Float64Array): Float64Array {
  const n = h.length + 1;
  const system = Array.from({ length: n }, () => new Float64Array(2 * n));
  for (let i = 1; i < n - 1; i++) {
    const [before, after] = [h[i - 1]!, h[i]!];
    const row = system[i]!;
    row.set([before, 2 * (before + after), after], i - 1);
    row.set([6 / before, -6 / before - 6 / after, 6 / after], n + i - 1);
  }
  system[0]!.set([h[1]!, -h[0]! - h[1]!, h[0]!]);
  system[n - 1]!.set([h[n - 2]!, -h[n - 3]! - h[n - 2]!, h[n - 3]!], n - 3);
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let i = column + 1; i < n; i++) if (Math.abs(system[i]![column]!) > Math.abs(system[pivot]![column]!)) pivot = i;
    [system[column], system[pivot]] = [system[pivot]!, system[column]!];
    const row = system[column]!;
    for (let i = 0; i < n; i++) {
      const factor = i === column ? 0 : system[i]![column]! / row[column]!;
      if (factor !== 0) for (let j = column; j < 2 * n; j++) system[i]![j]! -= factor * row[j]!;
    }
  }
  const result = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) result[i * n + j] = system[i]![n + j]! / system[i]![i]!;
  return result;
}
