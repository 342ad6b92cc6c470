import { homedir } from "node:os";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** A folder that a variable names, `~` meaning the home folder; an empty variable is none. */
function named(value: string | undefined): string | undefined {
  if (value === undefined || value === "") return undefined;
  return value === "~" || value.startsWith("~/") ? join(homedir(), value.slice(1)) : value;
}

/** The Hugging Face home: `HF_HOME`, else `huggingface` in `XDG_CACHE_HOME` or `~/.cache`. */
export function huggingFaceHome(env: Environment = process.env): string {
  return named(env["HF_HOME"]) ?? join(named(env["XDG_CACHE_HOME"]) ?? join(homedir(), ".cache"), "huggingface");
}

/** The hub's cache of files, which other programs share: `HF_HUB_CACHE`, else `hub` in the Hugging Face home. */
export function hubCacheFolder(env: Environment = process.env): string {
  return named(env["HF_HUB_CACHE"]) ?? named(env["HUGGINGFACE_HUB_CACHE"]) ?? join(huggingFaceHome(env), "hub");
}

/** What this program alone keeps (converted models, CUDA libraries, records of downloads): `RAMPLUS_CACHE`, else `ramplus` in the Hugging Face home. */
export function cacheFolder(env: Environment = process.env): string {
  return named(env["RAMPLUS_CACHE"]) ?? join(huggingFaceHome(env), "ramplus");
}

/** CUDA libraries of ONNX Runtime, a folder for each version of it. */
export function cudaFolder(version: string, cache: string = cacheFolder()): string {
  return join(cache, "cuda", `onnxruntime-${version}`);
}
