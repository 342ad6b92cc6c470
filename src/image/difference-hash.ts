import type { Pixels } from "./pixels.js";
import { resizeBilinear } from "./resize.js";

/** 64 bits of a photo: whether each of 9 x 8 grey levels is brighter than its right neighbour. Photos that look alike differ in few of them. */
export function differenceHash(pixels: Pixels): bigint {
  const { data } = resizeBilinear(pixels, 9, 8);
  const grey = (x: number, y: number): number => {
    const i = 3 * (y * 9 + x);
    return 299 * data[i]! + 587 * data[i + 1]! + 114 * data[i + 2]!;
  };
  let hash = 0n;
  for (let y = 0; y < 8; y++) for (let x = 0; x < 8; x++) hash = (hash << 1n) | (grey(x, y) > grey(x + 1, y) ? 1n : 0n);
  return hash;
}

/** Bits in which two hashes differ. */
export function hashDistance(a: bigint, b: bigint): number {
  let [bits, count] = [a ^ b, 0];
  for (; bits !== 0n; bits &= bits - 1n) count++;
  return count;
}

/**
 * Groups of photos whose hashes differ in at most three bits from another's of the group. Two such hashes agree in one of their four
 * quarters, so only those that do are compared.
 */
export function nearDuplicates(hashes: readonly (bigint | null)[]): number[][] {
  const parent = hashes.map((_, i) => i);
  const rootOf = (i: number): number => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]!]!;
    return i;
  };
  for (let quarter = 0n; quarter < 4n; quarter++) {
    const buckets = new Map<bigint, number[]>();
    hashes.forEach((hash, i) => {
      if (hash === null) return;
      const key = (hash >> (16n * quarter)) & 0xffffn;
      const bucket = buckets.get(key);
      if (bucket === undefined) buckets.set(key, [i]);
      else {
        // Plain photos fill one bucket: of each only so many are compared.
        for (const other of bucket.slice(-200)) if (hashDistance(hashes[other]!, hash) <= 3) parent[rootOf(i)] = rootOf(other);
        bucket.push(i);
      }
    });
  }
  const groups = new Map<number, number[]>();
  hashes.forEach((hash, i) => {
    if (hash === null) return;
    const root = rootOf(i);
    groups.set(root, [...(groups.get(root) ?? []), i]);
  });
  return [...groups.values()].filter((group) => group.length > 1);
}
