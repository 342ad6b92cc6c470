import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, hubCacheFolder, huggingFaceHome } from "../cache-folder.js";
import { HubError } from "./hub-error.js";

/** Where downloads come from and go to. */
export interface HubSettings {
  /** The hub's cache of files, which other programs share. */
  readonly hubCache: string;
  /** What this program alone keeps. */
  readonly cache: string;
  /** The hub, or a mirror of it. */
  readonly endpoint: URL;
  /** Sent to the endpoint and to no other host. */
  readonly token: string | null;
  /** No network at all. */
  readonly offline: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Settings by the variables of the Hugging Face hub (`HF_HOME`, `HF_HUB_CACHE`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`) and `RAMPLUS_CACHE`. Throws a HubError for values that cannot be. */
export function hubSettings(env: Environment = process.env): HubSettings {
  return {
    hubCache: hubCacheFolder(env),
    cache: cacheFolder(env),
    endpoint: webAddress("HF_ENDPOINT", env["HF_ENDPOINT"] || "https://huggingface.co"),
    token: readToken(env),
    offline: ["1", "true", "yes", "on"].includes((env["HF_HUB_OFFLINE"] ?? "").toLowerCase()),
  };
}

/** An http: or https: address that a variable names. Throws a HubError, without the value where it may hold a password. */
export function webAddress(variable: string, value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) throw new HubError("bad-option", variable, "expected an address that begins with https:// or http://");
  if (url.username !== "" || url.password !== "") throw new HubError("bad-option", variable, "expected an address without user name and password");
  return url;
}

function readToken(env: Environment): string | null {
  const token = (env["HF_TOKEN"] ?? env["HUGGING_FACE_HUB_TOKEN"] ?? readTokenFile(env["HF_TOKEN_PATH"] || join(huggingFaceHome(env), "token"))).trim();
  if (token === "") return null;
  // Anything else would be a broken header, whose error would show it.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new HubError("bad-option", "HF_TOKEN", "the token has characters that no token has: set it again (the value is not shown)");
  return token;
}

function readTokenFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
