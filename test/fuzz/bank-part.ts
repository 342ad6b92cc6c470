import { readBank } from "../../src/vocab/bank-file.js";
import { jsonBombs, strangeJson } from "./json-inputs.js";
import type { FuzzPart } from "./part.js";

const list = [{ id: 0, en: "red", zh: "红", threshold: 0.5, aliases: ["scarlet"], descriptions: 2 }, { id: 1, en: "blue", zh: "蓝", threshold: null, descriptions: 1 }];

/** The file of a bank of three rows of four values, with such a text for its tags. */
function bankBytes(tags: string): Uint8Array {
  const metadata = { format: "ramplus-bank", format_version: "1", origin: JSON.stringify({ kind: "text-encoder", id: "a".repeat(64) }), tags };
  const header = Buffer.from(JSON.stringify({ __metadata__: metadata, label_embed: { dtype: "F32", shape: [3, 4], data_offsets: [0, 48] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.from(Float32Array.from({ length: 12 }, (_, i) => i).buffer)]);
}

/** The reader of banks: a safetensors file whose metadata hold JSON. */
export const bankPart: FuzzPart = {
  name: "bank",
  fileName: "bank.safetensors",
  peak: 1000,
  runs: 120,
  named: () => jsonBombs.map(({ what, bytes, ...rest }) => ({ ...rest, what: `its tags: ${what}`, bytes: () => bankBytes(Buffer.from(typeof bytes === "function" ? bytes() : bytes).toString("latin1")) })),
  originals: () => [{ what: "a valid bank", bytes: bankBytes(JSON.stringify(list)) }],
  structured: () => strangeJson([list]).map((bytes) => bankBytes(Buffer.from(bytes).toString("utf8"))),
  read: async (file) => {
    const { tags, width } = await readBank(file);
    for (const { rows } of tags) if (rows.length === 0 || rows.length % width !== 0) throw new Error("a tag without whole rows");
  },
};
