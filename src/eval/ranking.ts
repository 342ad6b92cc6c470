/** A photo's place takes 21 bits beside the 32 of its score, which a float64 holds exactly. */
const mostPacked = 2 ** 21;

/**
 * Indices of scores by falling score; among equal ones the later comes first, which is what reversing a stable ascending sort, as
 * the reference's, gives.
 */
export function byFallingScore(scores: ArrayLike<number>): Uint32Array {
  const count = scores.length;
  if (!(scores instanceof Float32Array) || count > mostPacked) return Uint32Array.from(Uint32Array.from({ length: count }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || b - a));
  // Score and place in one number: sorting numbers without a comparison function is several times as fast.
  const bits = new Uint32Array(1);
  const value = new Float32Array(bits.buffer);
  const keys = Float64Array.from({ length: count }, (_, i) => {
    // -0 becomes 0.
    value[0] = scores[i]! + 0;
    const ordered = (bits[0]! & 0x80000000) !== 0 ? ~bits[0]! >>> 0 : (bits[0]! | 0x80000000) >>> 0;
    return ordered * mostPacked + i;
  }).sort();
  return Uint32Array.from({ length: count }, (_, rank) => keys[count - 1 - rank]! % mostPacked);
}
