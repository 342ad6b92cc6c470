import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openByteSource } from "../../src/checkpoint/byte-source.js";
import { CheckpointError, type CheckpointFault } from "../../src/checkpoint/checkpoint-error.js";
import { openNpy } from "../../src/checkpoint/read-npy.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { floatsToHalves } from "../../src/tensor/half.js";
import { bytesOf, npyFile, npyHeader } from "../npy-file.js";
import { withFolder } from "./temporary-folder.js";

async function read(bytes: Uint8Array): Promise<Tensor> {
  let result: Tensor | undefined;
  await withFolder(async (folder) => {
    const file = join(folder, "array.npy");
    await writeFile(file, bytes);
    const source = await openByteSource(file);
    try {
      result = await (await openNpy(source, "array")).read();
    } finally {
      await source.close();
    }
  });
  return result!;
}

const six = Float32Array.from([1, 2, 3, 4, 5, 6]);

for (const version of [1, 2, 3] as const) {
  test(`format ${version}.0: float32 in C order`, async () => {
    assert.deepEqual(await read(npyFile(npyHeader("<f4", "(2, 3)"), bytesOf(six), version)), { dtype: "float32", shape: [2, 3], data: six });
  });
}

test("half and double precision, one axis, none, and no elements", async () => {
  assert.deepEqual(await read(npyFile(npyHeader("<f8", "(6,)"), bytesOf(Float64Array.from(six)))), { dtype: "float64", shape: [6], data: Float64Array.from(six) });
  assert.deepEqual((await read(npyFile(npyHeader("<f2", "(3, 2)"), bytesOf(floatsToHalves(six))))).data, floatsToHalves(six));
  assert.deepEqual((await read(npyFile(npyHeader("<f4", "()"), bytesOf(six.subarray(0, 1))))).shape, []);
  assert.deepEqual((await read(npyFile(npyHeader("<f4", "(0, 4585)"), new Uint8Array()))).shape, [0, 4585]);
});

test("Fortran order becomes row-major", async () => {
  assert.deepEqual([...((await read(npyFile(npyHeader("<f4", "(2, 3)", true), bytesOf(six)))).data as Float32Array)], [1, 3, 5, 2, 4, 6]);
  const cube = Float32Array.from({ length: 24 }, (_, i) => i);
  const { data } = await read(npyFile(npyHeader("<f4", "(2, 3, 4)", true), bytesOf(cube)));
  for (let a = 0; a < 2; a++) for (let b = 0; b < 3; b++) for (let c = 0; c < 4; c++) assert.equal(data[(a * 3 + b) * 4 + c], a + 2 * b + 6 * c);
});

test("keys in another order and double quotes are Python's too", async () => {
  assert.deepEqual((await read(npyFile('{"shape": (2, 3), "descr": "<f4", "fortran_order": False}', bytesOf(six)))).shape, [2, 3]);
});

for (const [what, code, bytes, message] of [
  ["Python objects", "bad-npy", npyFile(npyHeader("|O", "(2,)"), Buffer.from("\x80\x04cos\nsystem\n", "latin1")), /Python objects, which are never read/],
  ["structured elements", "bad-npy", npyFile("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", Buffer.alloc(8)), /header/],
  ["big-endian numbers", "bad-npy", npyFile(npyHeader(">f4", "(2,)"), Buffer.alloc(8)), /element type is >f4; save it as little-endian/],
  ["whole numbers", "bad-npy", npyFile(npyHeader("<i8", "(1,)"), Buffer.alloc(8)), /<i8/],
  ["a header that would have to be evaluated", "bad-npy", npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os'),), }", Buffer.alloc(8)), /header/],
  ["a negative size", "bad-npy", npyFile(npyHeader("<f4", "(-1,)"), Buffer.alloc(8)), /header/],
  ["a key twice", "bad-npy", npyFile("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", Buffer.alloc(8)), /header/],
  ["a key too many", "bad-npy", npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': True, }", Buffer.alloc(4)), /header/],
  ["a key too few", "bad-npy", npyFile("{'descr': '<f4', 'shape': (1,), }", Buffer.alloc(4)), /header/],
  ["a shape beyond the file", "truncated", npyFile(npyHeader("<f4", "(1000000, 1000000)"), Buffer.alloc(8)), /ends too early/],
  ["a shape beyond all numbers", "bad-npy", npyFile(npyHeader("<f4", `(${"9".repeat(300)},)`), Buffer.alloc(8)), /impossible/],
  ["hundreds of axes", "bad-npy", npyFile(npyHeader("<f4", `(${"1, ".repeat(100)})`), Buffer.alloc(4)), /impossible/],
  ["an array cut short", "truncated", npyFile(npyHeader("<f4", "(2, 3)"), bytesOf(six).subarray(0, 20)), /ends too early/],
  ["bytes after the array", "bad-npy", npyFile(npyHeader("<f4", "(2,)"), bytesOf(six)), /16 bytes after the array/],
  ["a version of the future", "bad-npy", Buffer.concat([Buffer.from("\x93NUMPY\x09\x00", "latin1"), Buffer.alloc(20)]), /version 9\.0/],
  ["a header of 4 GB", "too-large", Buffer.concat([Buffer.from("\x93NUMPY\x02\x00\xff\xff\xff\xff", "latin1"), Buffer.alloc(20)]), /4294967295 is over the limit/],
  ["a header past the end", "truncated", Buffer.from("\x93NUMPY\x01\x00\xff\x1f{}", "latin1"), /ends too early/],
  ["nothing but the first bytes", "truncated", Buffer.from("\x93NUMPY\x01\x00", "latin1"), /ends too early/],
  ["text", "bad-npy", Buffer.from("not an array"), /does not begin/],
] as const satisfies readonly (readonly [string, CheckpointFault["code"], Buffer, RegExp])[]) {
  test(`refused: ${what}`, async () => {
    await assert.rejects(read(bytes), (error: unknown) => error instanceof CheckpointError && error.code === code && message.test(error.message));
  });
}

test("whatever the header says, there is an array or a coded error", async () => {
  const sound = npyFile(npyHeader("<f4", "(2, 3)"), bytesOf(six));
  const damage = fc.tuple(fc.nat(80), fc.nat(255));
  await fc.assert(
    fc.asyncProperty(damage, async ([at, byte]) => {
      const bytes = Buffer.from(sound);
      bytes[at] = byte;
      await read(bytes).catch((error: unknown) => assert.ok(error instanceof CheckpointError, String(error)));
    }),
    { seed: 5, numRuns: 150 },
  );
});
