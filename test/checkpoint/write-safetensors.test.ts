import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.js";
import { readSafetensors } from "../../src/checkpoint/read-safetensors.js";
import { writeSafetensors } from "../../src/checkpoint/write-safetensors.js";
import { float32, int64, tensor, zeros, type Tensor } from "../../src/tensor/tensor.js";
import { readSafetensorsFixture } from "../read-safetensors.js";
import { shared, sharedMissing } from "../shared-data.js";
import { withFolder } from "./temporary-folder.js";

const tensors: readonly { readonly name: string; readonly tensor: Tensor }[] = [
  { name: "z", tensor: float32([2, 2], [1, -2, 3.5, Infinity]) },
  { name: "10", tensor: tensor("bool", [3], Uint8Array.of(1, 0, 1)) },
  { name: "2", tensor: int64([2], [2 ** 53 - 1, -1]) },
  { name: "__proto__", tensor: tensor("float16", [1], Uint16Array.of(0x3c00)) },
  { name: "empty", tensor: zeros("bfloat16", [4, 0]) },
  { name: "scalar \"é\"", tensor: tensor("float64", [], Float64Array.of(Math.PI)) },
  { name: "part", tensor: tensor("int16", [2], Int16Array.of(1, 2, 3, 4).subarray(1, 3)) },
  { name: "last", tensor: tensor("int32", [1], Int32Array.of(-7)) },
  { name: "i8", tensor: tensor("int8", [1], Int8Array.of(-7)) },
  { name: "u8", tensor: tensor("uint8", [1], Uint8Array.of(255)) },
];

test("what is written is read back: values, order, metadata", async () => {
  await withFolder(async (folder) => {
    const file = join(folder, "a.safetensors");
    await writeSafetensors(file, tensors, { made_by: "a test", step: "3" });
    const read = await readSafetensors(file);
    assert.deepEqual([...read.keys()], tensors.map(({ name }) => name));
    for (const { name, tensor: written } of tensors) {
      const back = read.get(name)!;
      assert.deepEqual([back.dtype, back.shape], [written.dtype, written.shape]);
      assert.deepEqual(Array.from(back.data as Float32Array), Array.from(written.data as Float32Array), name);
    }
    const checkpoint = await openCheckpoint(file);
    await using _closed = checkpoint;
    assert.deepEqual([...checkpoint.metadata], [["made_by", "a test"], ["step", "3"]]);
  });
});

test("equal input gives equal bytes, and data begin at a multiple of eight", async () => {
  await withFolder(async (folder) => {
    const [a, b] = [join(folder, "a"), join(folder, "b")];
    await writeSafetensors(a, tensors);
    await writeSafetensors(b, tensors);
    const bytes = await readFile(a);
    assert.ok(bytes.equals(await readFile(b)));
    assert.equal(bytes.readBigUInt64LE(0) % 8n, 0n);
  });
});

test("a file without tensors is a file", async () => {
  await withFolder(async (folder) => {
    await writeSafetensors(join(folder, "a"), []);
    assert.equal((await readSafetensors(join(folder, "a"))).size, 0);
  });
});

test("a failed write leaves the old file and nothing beside it", async () => {
  await withFolder(async (folder) => {
    const file = join(folder, "a.safetensors");
    await writeFile(file, "old");
    const twice = [tensors[0]!, tensors[0]!];
    await assert.rejects(writeSafetensors(file, twice), { code: "duplicate-name" });
    await assert.rejects(writeSafetensors(file, [{ ...tensors[0]!, name: "__metadata__" }]), { code: "bad-header" });
    await assert.rejects(writeSafetensors(join(folder, "none", "a"), tensors), { code: "unwritable" });
    await assert.rejects(writeSafetensors(folder, tensors), { code: "unwritable" });
    assert.equal(await readFile(file, "utf8"), "old");
    assert.deepEqual(await readdir(folder), ["a.safetensors"]);
    assert.deepEqual((await readdir(join(folder, ".."))).filter((name) => name.startsWith(`${folder.split("/").at(-1)}.`)), []);
  });
});

test("an old file is replaced", async () => {
  await withFolder(async (folder) => {
    const file = join(folder, "a");
    await writeSafetensors(file, tensors);
    await writeSafetensors(file, tensors.slice(0, 1));
    assert.deepEqual([...(await readSafetensors(file)).keys()], ["z"]);
  });
});

test("a checkpoint written again has the same tensors for another reader", { skip: sharedMissing("parity/ram_plus_mini") }, async () => {
  const original = shared("parity/ram_plus_mini/checkpoint.safetensors");
  await withFolder(async (folder) => {
    const file = join(folder, "a.safetensors");
    await writeSafetensors(file, [...(await readSafetensors(original))].map(([name, t]) => ({ name, tensor: t })));
    assert.deepEqual(readSafetensorsFixture(file), readSafetensorsFixture(original));
  });
});
