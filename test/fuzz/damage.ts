import fc from "fast-check";

/** Where counts, lengths and positions turn over. */
export const edges: readonly bigint[] = [0n, 1n, 2n, 7n, 8n, 255n, 256n, 0x7fffn, 0x8000n, 0xffffn, 0x1_0000n, 2n ** 24n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 62n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];

/** Positions in a file of any length, more of them where structure is: at the beginning and the end. */
const place = fc.oneof(
  fc.nat(0xffffff).map((at) => (length: number) => at % length),
  fc.nat(64).map((at) => (length: number) => at % length),
  fc.nat(512).map((at) => (length: number) => at % length),
  fc.nat(300).map((at) => (length: number) => Math.max(0, length - 1 - at)),
);

type Change = (bytes: Buffer) => Buffer;

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(place, fc.integer({ min: 1, max: 255 })).map(([at, mask]): Change => (bytes) => {
    bytes[at(bytes.length)]! ^= mask;
    return bytes;
  }),
  fc.tuple(place, fc.nat(7)).map(([at, bit]): Change => (bytes) => {
    bytes[at(bytes.length)]! ^= 1 << bit;
    return bytes;
  }),
  fc.tuple(place, fc.constantFrom(1, 2, 4, 8), fc.constantFrom(...edges), fc.boolean()).map(([at, width, value, little]): Change => (bytes) => {
    const from = at(bytes.length);
    for (let i = 0; i < width && from + i < bytes.length; i++) bytes[from + i] = Number((value >> BigInt(8 * (little ? i : width - 1 - i))) & 255n);
    return bytes;
  }),
  fc.tuple(place, fc.nat(64)).map(([at, count]): Change => (bytes) => {
    const from = at(bytes.length);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + count)]);
  }),
  fc.tuple(place, fc.integer({ min: 1, max: 200 }), place).map(([at, count, to]): Change => (bytes) => {
    const [from, into] = [at(bytes.length), to(bytes.length)];
    return Buffer.concat([bytes.subarray(0, into), bytes.subarray(from, from + count), bytes.subarray(into)]);
  }),
  fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 12 })).map(([at, more]): Change => (bytes) => {
    const from = at(bytes.length);
    return Buffer.concat([bytes.subarray(0, from), more, bytes.subarray(from)]);
  }),
  place.map((at): Change => (bytes) => bytes.subarray(0, at(bytes.length) + 1)),
);

/** Files with flipped bits, numbers at their edges, parts removed, repeated or foreign, cut off, and two files joined. */
export function damaged(originals: readonly Uint8Array[], repair: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes): fc.Arbitrary<Uint8Array> {
  const original = fc.constantFrom(...originals);
  const joined = fc.tuple(original, original, place, place).map(([a, b, end, start]) => Buffer.concat([a.subarray(0, end(a.length) + 1), b.subarray(start(b.length))]));
  const start = fc.oneof({ weight: 5, arbitrary: original.map((bytes) => Buffer.from(bytes)) }, { weight: 1, arbitrary: joined });
  return fc.tuple(start, fc.array(change, { minLength: 0, maxLength: 4 }), fc.boolean()).map(([bytes, changes, repaired]) => {
    const result = changes.reduce<Buffer>((now, apply) => (now.length === 0 ? now : apply(now)), bytes);
    return repaired ? repair(result) : result;
  });
}
