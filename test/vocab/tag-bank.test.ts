import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { writeSafetensors } from "../../src/checkpoint/write-safetensors.js";
import { float32 } from "../../src/tensor/tensor.js";
import { bankFile, banksFolder, listBanks, readBank, writeBank } from "../../src/vocab/bank-file.js";
import { diffBanks, meanRow, mergeBanks, type TagBank } from "../../src/vocab/tag-bank.js";
import { temporaryFolder } from "../tiny-model-folder.js";

const origin = { kind: "text-encoder", id: "a".repeat(64) } as const;

const bankOf = (name: string, names: readonly string[], width = 4): TagBank => ({
  name,
  width,
  origin,
  tags: names.map((en, i) => ({ en, zh: `${en} 中`, threshold: i % 3 === 2 ? null : 0.5, ...(i === 0 && { aliases: ["also"] }), rows: Float32Array.from({ length: width * (1 + (i % 3)) }, (_, j) => Math.fround(Math.sin(i * 31 + j))) })),
});

test("a bank is read back as it was written, with ragged descriptions, biases and all that is known of its tags", async () => {
  await using folder = await temporaryFolder();
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }).filter((name) => name.trim() !== ""), { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      async (names, biased) => {
        const plain = bankOf("b", names);
        const bank = biased ? { ...plain, tags: plain.tags.map((tag, i) => ({ ...tag, bias: i - 2 })) } : plain;
        await writeBank(join(folder.path, "b.safetensors"), bank);
        assert.deepEqual(await readBank("b", folder.path), bank);
      },
    ),
    { numRuns: 40, seed: 3 },
  );
  const half = bankOf("half", ["x", "y"]);
  await writeBank(join(folder.path, "half.safetensors"), half, { dtype: "fp16" });
  const read = await readBank("half", folder.path);
  read.tags.forEach((tag, i) => tag.rows.forEach((v, j) => assert.ok(Math.abs(v - half.tags[i]!.rows[j]!) < 1e-3)));
  assert.deepEqual(await listBanks(folder.path), ["b", "half"]);
  assert.deepEqual(await listBanks(join(folder.path, "nowhere")), []);
});

test("names of banks stay in their folder; paths are paths", () => {
  assert.equal(bankFile("pets", "/banks"), join("/banks", "pets.safetensors"));
  assert.equal(bankFile("./pets.safetensors", "/banks"), "./pets.safetensors");
  for (const name of ["..", "", ".hidden", "a\u0000b", "x".repeat(101)]) assert.throws(() => bankFile(name, "/banks"), { code: "bad-bank" }, name);
  assert.equal(banksFolder({ RAMPLUS_BANKS: "/b" }), "/b");
  assert.equal(banksFolder({ XDG_DATA_HOME: "/d" }), join("/d", "ramplus", "banks"));
});

test("files that are no banks are refused by name, with what is wrong", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "bad.safetensors");
  const tags = (list: unknown): Record<string, string> => ({ format: "ramplus-bank", format_version: "1", origin: JSON.stringify(origin), tags: JSON.stringify(list) });
  const tag = { id: 0, en: "x", zh: "x", threshold: 0.5, descriptions: 2 };
  const embed = { name: "label_embed", tensor: float32([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]) };
  for (const [metadata, tensors, message] of [
    [{}, [embed], /metadata do not say ramplus-bank/],
    [{ ...tags([tag]), format_version: "9" }, [embed], /format_version "9"/],
    [tags([tag]), [], /no label_embed/],
    [tags([tag]), [{ name: "label_embed", tensor: float32([8], embed.tensor.data) }], /no label_embed \[rows, width\]/],
    [tags([tag]), [{ name: "label_embed", tensor: float32([2, 4], [1, 2, 3, NaN, 5, 6, 7, 8]) }], /not finite/],
    [tags([{ ...tag, descriptions: 3 }]), [embed], /ends before its rows/],
    [tags([{ ...tag, descriptions: 1 }]), [embed], /has 2 rows, its tags ask for 1/],
    [tags([{ ...tag, descriptions: -1 }]), [embed], /descriptions -1/],
    [tags([{ ...tag, descriptions: 1 }, { ...tag, id: 1, descriptions: 1 }]), [embed], /occurs twice/],
    [tags([{ ...tag, en: 5 }]), [embed], /tag 0: en/],
    [tags("x"), [embed], /expected a list of tags/],
    [{ ...tags([tag]), tags: "{" }, [embed], /not JSON/],
    [{ ...tags([tag]), origin: "{}" }, [embed], /origin/],
    [tags([tag]), [embed, { name: "label_bias", tensor: float32([2], [1, 2]) }], /label_bias/],
  ] as const) {
    await writeSafetensors(file, tensors, metadata);
    await assert.rejects(readBank(file), (error: Error & { code: string }) => error.code === "bad-bank" && error.message.startsWith(file) && message.test(error.message), String(message));
  }
  await writeFile(file, "not a file of tensors");
  await assert.rejects(readBank(file), { code: "bad-bank" });
  await writeBank(join(folder.path, "good.safetensors"), bankOf("good", ["a"]));
  const bytes = await readFile(join(folder.path, "good.safetensors"));
  await writeFile(file, bytes.subarray(0, bytes.length - 3));
  await assert.rejects(readBank(file), { code: "bad-bank" });
  await assert.rejects(readBank("nothing", folder.path), { code: "not-found", message: /there are bad, good/ });
});

test("banks of one encoder merge; of two, or with a tag in common, they do not", () => {
  const [a, b] = [bankOf("a", ["x", "y"]), bankOf("b", ["z"])];
  assert.deepEqual(mergeBanks("c", [a, b]).tags.map(({ en }) => en), ["x", "y", "z"]);
  assert.throws(() => mergeBanks("c", [a, { ...b, origin: { ...origin, id: "b".repeat(64) } }]), { code: "wrong-encoder" });
  assert.throws(() => mergeBanks("c", [a, { ...b, origin: { kind: "model", id: origin.id } }]), { code: "wrong-model" });
  assert.throws(() => mergeBanks("c", [a, bankOf("b", ["y"])]), { code: "bank-conflict", message: /b: has the tag "y", as a has/ });
});

test("differences of banks, by tag", () => {
  const a = bankOf("a", ["x", "y", "z"]);
  const changed = { ...a.tags[1]!, rows: a.tags[1]!.rows.map((v) => -v) };
  assert.deepEqual(diffBanks(a, { ...a, tags: [a.tags[0]!, changed, { ...a.tags[2]!, en: "w" }] }), { onlyFirst: ["z"], onlySecond: ["w"], changed: ["y"] });
  assert.deepEqual(diffBanks(a, bankOf("b", ["x", "y", "z"])), { onlyFirst: [], onlySecond: [], changed: [] });
});

test("several rows become their mean direction, one stays as it is", () => {
  assert.deepEqual([...meanRow(Float32Array.of(3, 4), 2)], [3, 4]);
  const mean = meanRow(Float32Array.of(1, 0, 0, 1), 2);
  assert.ok(mean.every((v) => Math.abs(v - Math.SQRT1_2) < 1e-7));
});
