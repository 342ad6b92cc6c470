const scratch = new DataView(new ArrayBuffer(4));

/** The float32 value of an IEEE 754 half-precision bit pattern. Exact. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The half-precision bit pattern nearest to a float32 value, ties to even; too large becomes infinity. */
export function floatToHalf(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude === 0) return sign;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal half: the value in units of 2^-24, rounded by the addition of 0.5's exponent, ties to even.
    scratch.setUint32(0, magnitude);
    const units = scratch.getFloat32(0) * 2 ** 24;
    const floor = Math.floor(units);
    const rest = units - floor;
    return sign | (rest > 0.5 || (rest === 0.5 && floor & 1) ? floor + 1 : floor);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The float32 values of half-precision bit patterns. */
export function halvesToFloats(halves: Uint16Array): Float32Array {
  return Float32Array.from(halves, halfToFloat);
}

/** The half-precision bit patterns nearest to float32 values. */
export function floatsToHalves(floats: Float32Array): Uint16Array {
  const words = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const halves = new Uint16Array(floats.length);
  for (let i = 0; i < halves.length; i++) {
    const bits = words[i]!;
    const magnitude = bits & 0x7fffffff;
    // Values that are normal in both formats, which is nearly all of them, need no more than a rounded shift.
    const normal = magnitude >= 0x38800000 && magnitude < 0x477ff000;
    halves[i] = normal ? ((bits >>> 16) & 0x8000) | ((magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13) : floatToHalf(floats[i]!);
  }
  return halves;
}

/** The float32 values of bfloat16 bit patterns. Exact. */
export function bfloatsToFloats(bfloats: Uint16Array): Float32Array {
  const words = Uint32Array.from(bfloats, (bits) => bits << 16);
  return new Float32Array(words.buffer);
}
