import type { Pixels } from "./pixels.js";

type Table = Uint8Array | null;

const toByte = (v: number): number => Math.trunc(Math.min(255, Math.max(0, v)));

/** Each sample looked up in its channel's table; null leaves a channel as it is. */
function applyTables({ width, height, data }: Pixels, tables: readonly Table[]): Pixels {
  const out = data.slice();
  tables.forEach((table, channel) => {
    if (table === null) return;
    for (let i = channel; i < out.length; i += 3) out[i] = table[out[i]!]!;
  });
  return { width, height, data: out };
}

function histograms({ data }: Pixels): readonly Uint32Array[] {
  const counts = [new Uint32Array(256), new Uint32Array(256), new Uint32Array(256)] as const;
  for (let i = 0; i < data.length; i += 3) {
    counts[0][data[i]!]!++;
    counts[1][data[i + 1]!]!++;
    counts[2][data[i + 2]!]!++;
  }
  return counts;
}

/** Each sample times `factor`, in float32, clipped, its fraction cut off. */
export function brightness(pixels: Pixels, factor: number): Pixels {
  const table = Uint8Array.from({ length: 256 }, (_, v) => toByte(Math.fround(v * Math.fround(factor))));
  return applyTables(pixels, [table, table, table]);
}

/**
 * Each channel stretched to 0..255; one of a single value stays. This is what the reference intends: its own table overflows
 * and turns every channel without a 0 entirely white.
 */
export function autoContrast(pixels: Pixels): Pixels {
  const tables = histograms(pixels).map((counts) => {
    const low = counts.findIndex((count) => count > 0);
    const high = counts.findLastIndex((count) => count > 0);
    if (high <= low) return null;
    const scale = 255 / (high - low);
    const offset = -low * scale;
    return Uint8Array.from({ length: 256 }, (_, v) => toByte(v * scale + offset));
  });
  return applyTables(pixels, tables);
}

/** Each channel's histogram made even; a channel of a single value, or of fewer than 255 pixels besides its highest value, stays. */
export function equalize(pixels: Pixels): Pixels {
  const total = pixels.width * pixels.height;
  const tables = histograms(pixels).map((counts) => {
    const highest = counts.findLast((count) => count > 0) ?? 0;
    const step = Math.floor((total - highest) / 255);
    if (step === 0) return null;
    let sum = Math.floor(step / 2);
    return Uint8Array.from(counts, (count) => {
      const value = Math.min(255, Math.floor(sum / step));
      sum += count;
      return value;
    });
  });
  return applyTables(pixels, tables);
}
