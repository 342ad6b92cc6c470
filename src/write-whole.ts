import { randomBytes } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";

/** Writes a file beside its place and renames it, so that a reader sees the old file or the new one whole. Throws what the system says; nothing is left beside. */
export async function writeWhole(file: string, content: string | Uint8Array | Iterable<string>): Promise<void> {
  const beside = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeFile(beside, content, { flag: "wx" });
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw error;
  }
}
