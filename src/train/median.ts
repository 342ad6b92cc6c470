/** The middle value, of an even number the upper one; 0 of none. */
export function median(values: ArrayLike<number>): number {
  return Float64Array.from(values).sort()[Math.floor(values.length / 2)] ?? 0;
}
