import { open } from "node:fs/promises";
import { VocabularyError } from "./vocabulary-error.js";

/** Far above any list of tags: the published ones have 44 kB, WordNet's hypernyms 0.4 MB. */
const listBytes = 64 * 2 ** 20;

/**
 * The text of a UTF-8 file; a byte order mark is dropped.
 * Throws a VocabularyError: not-found, unreadable, too-large (over `maxBytes`, by default 64 MiB), not-utf8.
 */
export async function readText(file: string, maxBytes = listBytes): Promise<string> {
  const bytes = await readBytes(file, maxBytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new VocabularyError("not-utf8", file, "is not UTF-8 text; save it as UTF-8", { cause });
  }
}

/** The bytes of a regular file. Throws a VocabularyError: not-found, unreadable, too-large. */
export async function readBytes(file: string, maxBytes = listBytes): Promise<Uint8Array> {
  try {
    const handle = await open(file, "r");
    try {
      const stat = await handle.stat();
      // A device has no size and may never end.
      if (!stat.isFile()) throw new VocabularyError("unreadable", file, "is no regular file");
      const { size } = stat;
      if (size > maxBytes) throw new VocabularyError("too-large", file, `has ${size} bytes, at most ${maxBytes} are read`);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof VocabularyError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") throw new VocabularyError("not-found", file, "no such file", { cause });
    throw new VocabularyError("unreadable", file, `cannot be read: ${(cause as Error).message}`, { cause });
  }
}
