import { dirname } from "node:path";
import { HubError, loadTextEncoder, pullModel, type TextEncoder } from "../index.js";
import { UsageError, type CliIo } from "./io.js";

/** Opens the text encoder of a folder, else the one that `ramplus pull clip-text` fetched. */
export async function openTextEncoder(folder: string | undefined, { signal, stderr }: CliIo): Promise<TextEncoder> {
  return loadTextEncoder(folder ?? (await pulledFolder(signal)), { signal, onNotice: (line) => void stderr.write(`ramplus: ${line}\n`) });
}

async function pulledFolder(signal: AbortSignal): Promise<string> {
  try {
    const { files } = await pullModel("clip-text", { offline: true, signal });
    return dirname(files[0]!.file);
  } catch (error) {
    if (error instanceof HubError && error.code === "offline") throw new UsageError("there is no text encoder here: `ramplus pull clip-text` fetches it, or --text-encoder DIR names the folder of one");
    throw error;
  }
}

/** A text encoder that is opened when it is first asked for, and closed at the end. */
export function textEncoders(folder: string | undefined, io: CliIo): AsyncDisposable & { readonly open: () => Promise<TextEncoder> } {
  let opened: Promise<TextEncoder> | null = null;
  return {
    open: () => (opened ??= openTextEncoder(folder, io)),
    [Symbol.asyncDispose]: async () => (await opened?.catch(() => null))?.dispose(),
  };
}
