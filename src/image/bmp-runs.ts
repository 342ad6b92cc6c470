/**
 * Undoes BMP's run lengths: [height, width] palette indices in stored order, 0 where the file skips pixels; what goes beyond a
 * row is dropped. `nibbles`: two indices of 4 bits in a byte. Throws an Error when the data ends before its end mark.
 */
export function decodeBmpRuns(data: Uint8Array, nibbles: boolean, width: number, height: number): Uint8Array {
  const out = new Uint8Array(width * height);
  let [at, x, y] = [0, 0, 0];
  const byte = (): number => {
    const value = data[at++];
    if (value === undefined) throw new Error("it holds fewer pixels than it declares");
    return value;
  };
  const put = (index: number): void => {
    if (x < width && y < height) out[y * width + x] = index;
    x++;
  };
  const half = (value: number, i: number): number => (nibbles ? (i % 2 === 0 ? value >> 4 : value & 15) : value);
  while (y < height) {
    const [count, value] = [byte(), byte()];
    if (count > 0) {
      for (let i = 0; i < count; i++) put(half(value, i));
    } else if (value === 0) {
      [x, y] = [0, y + 1];
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      x += byte();
      y += byte();
    } else {
      const length = nibbles ? Math.ceil(value / 2) : value;
      for (let i = 0, sample = 0; i < value; i++) {
        if (!nibbles || i % 2 === 0) sample = byte();
        put(half(sample, i));
      }
      // Stored samples fill whole 16-bit words.
      if (length % 2 === 1) at++;
    }
  }
  return out;
}
