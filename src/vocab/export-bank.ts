import { writeWhole } from "../write-whole.js";
import { writeBank, type WriteBankOptions } from "./bank-file.js";
import type { TagBank } from "./tag-bank.js";
import { VocabularyError } from "./vocabulary-error.js";

/**
 * Writes a bank for others, by the file's ending: .safetensors (a bank again), .json (its tags, with rows as lists of numbers), .txt (its
 * tags' names, one a line). Throws a VocabularyError: bad-bank for another ending, unwritable.
 */
export async function exportBank(file: string, bank: TagBank, options: WriteBankOptions = {}): Promise<void> {
  if (file.endsWith(".safetensors")) return writeBank(file, bank, options);
  if (!/\.(json|txt)$/.test(file)) throw new VocabularyError("bad-bank", file, "expected a file that ends in .safetensors, .json or .txt");
  try {
    await writeWhole(file, file.endsWith(".json") ? bankJson(bank) : bank.tags.map(({ en }) => `${en}\n`).join(""));
  } catch (cause) {
    throw new VocabularyError("unwritable", file, `cannot be written: ${(cause as Error).message}`, { cause });
  }
}

function bankJson(bank: TagBank): string {
  const rowsOf = (rows: Float32Array): number[][] => Array.from({ length: rows.length / bank.width }, (_, i) => [...rows.subarray(i * bank.width, (i + 1) * bank.width)]);
  const tags = bank.tags.map(({ rows, ...tag }) => `    ${JSON.stringify({ ...tag, rows: rowsOf(rows) })}`);
  return `{\n  "name": ${JSON.stringify(bank.name)},\n  "width": ${bank.width},\n  "origin": ${JSON.stringify(bank.origin)},\n  "tags": [\n${tags.join(",\n")}\n  ]\n}\n`;
}
