import type { Digest } from "./digest.js";
import type { HttpClient } from "./http-client.js";
import { HubError } from "./hub-error.js";
import { withRetries, type Timing } from "./timing.js";

/** A NuGet package as its server announces it. */
export interface NugetPackage {
  readonly url: string;
  readonly size: number;
  readonly digest: Digest;
}

interface NugetAccess {
  readonly client: HttpClient;
  readonly timing: Timing;
  readonly signal?: AbortSignal;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Address, size and hash of a package, by NuGet's V3 protocol: service index, registration leaf, catalogue entry. Throws a
 * HubError, also where the server announces no hash: a package that cannot be verified is not fetched.
 */
export async function findNugetPackage(access: NugetAccess, index: URL, name: string, version: string): Promise<NugetPackage> {
  const subject = `${name} ${version}`;
  const bad = (problem: string): HubError => new HubError("bad-answer", subject, `${index.origin}${index.pathname} ${problem}: RAMPLUS_NUGET_INDEX names another NuGet V3 index`);
  const json = async (address: string): Promise<Record<string, unknown>> => {
    const request = { subject, ...(access.signal === undefined ? {} : { signal: access.signal }) };
    const bytes = await withRetries(access.timing, access.signal, () => access.client.bytes(address, request));
    try {
      const value: unknown = JSON.parse(bytes.toString("utf8"));
      if (isObject(value)) return value;
    } catch {
      // Worded below, as an answer that is no object.
    }
    throw bad("answers with something else than JSON objects");
  };
  const { resources } = await json(index.href);
  const resource = (type: string): string => {
    const found: unknown = Array.isArray(resources) ? resources.find((each) => isObject(each) && each["@type"] === type) : undefined;
    const address = isObject(found) ? found["@id"] : undefined;
    if (typeof address !== "string" || !URL.canParse(address)) throw bad(`has no ${type}`);
    return address.endsWith("/") ? address : `${address}/`;
  };
  const [id, at] = [name.toLowerCase(), version.toLowerCase()];
  const { catalogEntry } = await json(`${resource("RegistrationsBaseUrl")}${id}/${at}.json`);
  const entry = typeof catalogEntry === "string" && URL.canParse(catalogEntry) ? await json(catalogEntry) : isObject(catalogEntry) ? catalogEntry : {};
  const { packageHash, packageHashAlgorithm, packageSize } = entry;
  const hash = typeof packageHash === "string" ? Buffer.from(packageHash, "base64") : Buffer.alloc(0);
  if (packageHashAlgorithm !== "SHA512" || hash.length !== 64 || typeof packageSize !== "number" || !Number.isSafeInteger(packageSize) || packageSize < 1) throw bad("announces no SHA512 hash and size of the package");
  return { url: `${resource("PackageBaseAddress/3.0.0")}${id}/${at}/${id}.${at}.nupkg`, size: packageSize, digest: { kind: "sha512", hex: hash.toString("hex") } };
}
