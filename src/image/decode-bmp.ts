import { decodeBmpRuns } from "./bmp-runs.js";
import type { Pixels } from "./pixels.js";

interface BmpHeader {
  readonly width: number;
  readonly height: number;
  readonly topDown: boolean;
  /** Bits of one pixel. */
  readonly bits: number;
  /** 0 none, 1 and 2 runs of 8 and 4 bit indices, 3 and 6 bit masks. */
  readonly compression: number;
  /** Where the pixels begin. */
  readonly start: number;
  /** R, G, B of every index. */
  readonly palette: Uint8Array;
  readonly masks: readonly [red: number, green: number, blue: number];
}

const headerSizes = [12, 40, 52, 56, 64, 108, 124];

function readPalette(bytes: Uint8Array, at: number, count: number, entry: 3 | 4): Uint8Array {
  const palette = new Uint8Array(768);
  for (let i = 0; i < count; i++) for (let c = 0; c < 3; c++) palette[i * 3 + c] = bytes[at + i * entry + 2 - c] ?? 0;
  return palette;
}

/** Fields outside of the file are a RangeError. */
function readHeader(bytes: Uint8Array): BmpHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getUint32(14, true);
  if (!headerSizes.includes(size)) throw new Error(`its header of ${size} bytes is of no known kind`);
  const core = size === 12;
  const [width, height] = core ? [view.getUint16(18, true), view.getUint16(20, true)] : [view.getInt32(18, true), view.getInt32(22, true)];
  const bits = view.getUint16(core ? 24 : 28, true);
  const compression = core ? 0 : view.getUint32(30, true);
  const masked = compression === 3 || compression === 6;
  // Masks are at the same place, whether part of the header or behind it.
  const masksBehind = masked && size === 40 ? (compression === 3 ? 12 : 16) : 0;
  const masks = masked ? ([view.getUint32(54, true), view.getUint32(58, true), view.getUint32(62, true)] as const) : bits === 16 ? ([0x7c00, 0x3e0, 0x1f] as const) : ([0xff0000, 0xff00, 0xff] as const);
  const colours = bits > 8 ? 0 : core ? 1 << bits : Math.min(view.getUint32(46, true) || 1 << bits, 256);
  const paletteAt = 14 + size + masksBehind;
  const palette = readPalette(bytes, paletteAt, colours, core ? 3 : 4);
  return { width, height: Math.abs(height), topDown: height < 0, bits, compression, start: view.getUint32(10, true) || paletteAt + colours * (core ? 3 : 4), palette, masks };
}

/** 8-bit samples from one channel's bits, its fraction cut off as in the reference. */
function sampler(mask: number): (pixel: number) => number {
  if (mask === 0) return () => 0;
  const shift = 31 - Math.clz32(mask & -mask);
  const largest = mask >>> shift;
  return (pixel) => Math.floor((((pixel & mask) >>> shift) * 255) / largest);
}

/** Writes row `y` of RGB samples to `out` from the stored row that begins at `from`. */
type RowReader = (from: number, out: Uint8Array, to: number) => void;

function rowReader(bytes: Uint8Array, { width, bits, palette, masks }: BmpHeader): RowReader {
  if (bits === 24) {
    return (from, out, to) => {
      for (let x = 0; x < width * 3; x += 3) for (let c = 0; c < 3; c++) out[to + x + c] = bytes[from + x + 2 - c]!;
    };
  }
  if (bits === 16 || bits === 32) {
    const step = bits / 8;
    const channels = masks.map(sampler);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return (from, out, to) => {
      for (let x = 0; x < width; x++) {
        const pixel = step === 2 ? view.getUint16(from + x * 2, true) : view.getUint32(from + x * 4, true);
        for (const sample of channels) out[to++] = sample(pixel);
      }
    };
  }
  const perByte = 8 / bits;
  const mask = (1 << bits) - 1;
  return (from, out, to) => {
    for (let x = 0; x < width; x++) {
      const index = (bytes[from + Math.floor(x / perByte)]! >> (8 - bits * ((x % perByte) + 1))) & mask;
      for (let c = 0; c < 3; c++) out[to++] = palette[index * 3 + c]!;
    }
  };
}

/** A BMP's pixels without its alpha. Throws an Error for a broken file; `check` sees the size before memory is taken. */
export function decodeBmp(bytes: Uint8Array, check: (width: number, height: number) => void): Pixels {
  const header = readHeader(bytes);
  const { width, height, topDown, bits, compression, start, palette } = header;
  check(width, height);
  const runs = (compression === 1 && bits === 8) || (compression === 2 && bits === 4);
  const plain = (compression === 0 && [1, 4, 8, 16, 24, 32].includes(bits)) || ((compression === 3 || compression === 6) && (bits === 16 || bits === 32));
  if (!runs && !plain) throw new Error(`${bits} bits a pixel with compression ${compression} is not supported`);
  const data = (count: number): Uint8Array => new Uint8Array(count * 3);
  // Rows are stored from the bottom unless the height is negative.
  const place = (y: number): number => (topDown ? y : height - 1 - y) * width * 3;
  if (runs) {
    const indices = decodeBmpRuns(bytes.subarray(start), bits === 4, width, height);
    const out = data(width * height);
    for (let y = 0, i = 0; y < height; y++) for (let x = 0, to = place(y); x < width; x++, i++) for (let c = 0; c < 3; c++) out[to++] = palette[indices[i]! * 3 + c]!;
    return { width, height, data: out };
  }
  const stride = Math.ceil((width * bits) / 32) * 4;
  // The last row's padding may be missing.
  if (start + stride * (height - 1) + Math.ceil((width * bits) / 8) > bytes.length) throw new Error("it holds fewer pixels than it declares");
  const out = data(width * height);
  const readRow = rowReader(bytes, header);
  for (let y = 0; y < height; y++) readRow(start + y * stride, out, place(y));
  return { width, height, data: out };
}
