/** What decides the colours of a GIF's first frame beside its coded pixels. */
export interface GifFirstFrame {
  /** The frame's place on the canvas; right and bottom are exclusive. */
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  /** Colour of pixels that no coded, opaque sample covers: that of the transparent index where there is one, else of index 0. */
  readonly fill: readonly [number, number, number];
}

/** Walks a GIF's blocks to its first frame. Throws an Error when there is none or the file ends before. */
export function readGifFirstFrame(bytes: Uint8Array): GifFirstFrame {
  const byte = (at: number): number => {
    const value = bytes[at];
    if (value === undefined) throw new Error("it ends before its first frame");
    return value;
  };
  const flags = byte(10);
  let at = 13;
  let palette = at;
  if (flags & 0x80) at += 3 << ((flags & 7) + 1);
  let transparent = 0;
  for (;;) {
    const kind = byte(at);
    if (kind === 0x2c) {
      const local = byte(at + 9);
      // The frame's own palette comes before the file's.
      if (local & 0x80) palette = at + 10;
      const entry = palette + 3 * transparent;
      const hasPalette = ((local | flags) & 0x80) !== 0;
      const word = (offset: number): number => byte(at + offset) | (byte(at + offset + 1) << 8);
      const [left, top] = [word(1), word(3)];
      return { left, top, right: left + word(5), bottom: top + word(7), fill: hasPalette ? [byte(entry), byte(entry + 1), byte(entry + 2)] : [0, 0, 0] };
    }
    if (kind !== 0x21) throw new Error("it has no frame");
    if (byte(at + 1) === 0xf9 && byte(at + 3) & 1) transparent = byte(at + 6);
    at += 2;
    while (byte(at) !== 0) at += 1 + byte(at);
    at++;
  }
}
