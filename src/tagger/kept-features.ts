import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeWhole } from "../write-whole.js";

const digestBytes = 32;

const digest = (...parts: readonly (string | Uint8Array)[]): Buffer => parts.reduce<ReturnType<typeof createHash>>((hash, part) => hash.update(part), createHash("sha256")).digest();

/**
 * Photos' features (`image_embeds`) in a folder, so that a photo that was tagged once is held against other tags at the head's
 * cost only. A file's name is a sha256 over the photo's bytes and all that its features depend on; its last 32 bytes are the
 * sha256 of the values before, so that a damaged file is as good as none.
 */
export class KeptFeatures {
  private failed = false;

  constructor(
    private readonly folder: string,
    /** What the features depend on besides the photo. */
    private readonly vision: string,
    /** Told once when features cannot be kept. */
    private readonly onNotice: (line: string) => void = () => undefined,
  ) {}

  /** The key of a photo by the bytes of its file. */
  key(bytes: Uint8Array, orient: boolean): string {
    return digest(this.vision, orient ? "upright" : "as it lies", bytes).toString("hex");
  }

  /** The features of a photo; null: they are not here, or not whole. */
  async get(key: string, length: number): Promise<Float32Array | null> {
    const bytes = await readFile(this.file(key)).catch(() => null);
    const end = 4 * length;
    if (bytes === null || bytes.byteLength !== end + digestBytes || !digest(bytes.subarray(0, end)).equals(bytes.subarray(end))) return null;
    // Copied, so that it begins where floats may begin.
    return new Float32Array(Uint8Array.from(bytes.subarray(0, end)).buffer);
  }

  /** Keeps the features of a photo. A folder that takes none is told of once and costs nothing but time. */
  async put(key: string, features: Float32Array): Promise<void> {
    const file = this.file(key);
    const bytes = new Uint8Array(features.buffer, features.byteOffset, features.byteLength);
    try {
      await mkdir(dirname(file), { recursive: true });
      await writeWhole(file, Buffer.concat([bytes, digest(bytes)]));
    } catch (error) {
      if (!this.failed) this.onNotice(`features cannot be kept in ${this.folder}: ${(error as Error).message}`);
      this.failed = true;
    }
  }

  private file(key: string): string {
    return join(this.folder, key.slice(0, 2), `${key.slice(2)}.features`);
  }
}
