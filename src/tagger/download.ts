import { TaggerError } from "./tagger-error.js";

/** Largest answer of a server that is read, and the longest that it may take. */
const largestDownload = 256 * 1024 * 1024;
const longestDownload = 120_000;

/** The bytes that a http:, https: or data: URL names. Throws a TaggerError naming the URL, and the signal's reason when aborted. */
export async function download(url: URL, name: string, signal?: AbortSignal): Promise<Uint8Array> {
  const fail = (problem: string, options?: ErrorOptions): TaggerError => new TaggerError("fetch-failed", `${name}: ${problem}`, options);
  const late = AbortSignal.timeout(longestDownload);
  try {
    const response = await fetch(url, { signal: signal === undefined ? late : AbortSignal.any([signal, late]) });
    if (!response.ok || response.body === null) throw fail(`the server answered ${response.status} ${response.statusText}`.trimEnd());
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      if (size > largestDownload) throw fail(`is larger than ${largestDownload} bytes`);
      chunks.push(chunk);
    }
    return new Uint8Array(Buffer.concat(chunks));
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof TaggerError) throw cause;
    // fetch says "fetch failed" and keeps the reason one level down.
    const reason = ((cause as Error).cause as Error | undefined)?.message ?? (cause as Error).message;
    throw fail(late.aborted ? `took longer than ${longestDownload / 1000} seconds` : `cannot be fetched: ${reason}`, { cause });
  }
}
