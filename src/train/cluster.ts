import type { Random } from "../tensor/random.js";

/** The vector divided by its length. */
export function unit(v: Float32Array): Float32Array {
  let sum = 0;
  for (const x of v) sum += x * x;
  const scale = 1 / Math.sqrt(Math.max(sum, 1e-20));
  return v.map((x) => x * scale);
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Spherical k-means (Dhillon & Modha 2001): `count` unit vectors; with no more vectors than that, these in turn. */
export function clusterDirections(vectors: readonly Float32Array[], count: number, random: Random, rounds = 10): Float32Array[] {
  const units = vectors.map(unit);
  if (units.length <= count) return Array.from({ length: count }, (_, i) => units[i % units.length]!.slice());
  const centres = [units[Math.floor(random() * units.length)]!];
  while (centres.length < count) {
    // The next start is drawn by distance from the nearest one (k-means++).
    const distances = units.map((u) => Math.max(0, 1 - Math.max(...centres.map((c) => dot(u, c)))));
    let at = random() * distances.reduce((a, b) => a + b, 0);
    const next = distances.findIndex((d) => (at -= d) < 0);
    centres.push(units[next < 0 ? units.length - 1 : next]!);
  }
  let current: Float32Array[] = centres.map((c) => c.slice());
  for (let round = 0; round < rounds; round++) {
    const sums = current.map((c) => new Float32Array(c.length));
    for (const u of units) {
      let best = 0;
      for (let i = 1; i < current.length; i++) if (dot(u, current[i]!) > dot(u, current[best]!)) best = i;
      const sum = sums[best]!;
      for (let i = 0; i < u.length; i++) sum[i] = sum[i]! + u[i]!;
    }
    current = sums.map((sum, i) => (sum.some((v) => v !== 0) ? unit(sum) : current[i]!));
  }
  return current;
}
