import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { packageRoot } from "../package-info.js";
import { writeWhole } from "./disk.js";
import { HubError } from "./hub-error.js";
import { publishedLists } from "./official-files.js";
import type { HubAccess } from "./repository-files.js";
import { withRetries } from "./timing.js";

/** Files of the published tag lists. */
export interface TagLists {
  readonly tags: string;
  readonly tagsZh: string;
  readonly thresholds: string;
}

const hasSha256 = async (file: string, sha256: string): Promise<boolean> => {
  const bytes = await readFile(file).catch(() => null);
  return bytes !== null && createHash("sha256").update(bytes).digest("hex") === sha256;
};

/** Null where this package's lists are the published ones; else the published ones, fetched into the cache unless they are there. Throws a HubError. */
export async function tagLists({ client, settings, timing, signal }: HubAccess, offline: boolean, folder: string = join(packageRoot(), "models", "published")): Promise<TagLists | null> {
  const same = await Promise.all(publishedLists.files.map(({ path, sha256 }) => hasSha256(join(folder, path), sha256)));
  if (same.every(Boolean)) return null;
  const files: string[] = [];
  for (const { path, sha256 } of publishedLists.files) {
    const file = join(settings.cache, "lists", path);
    files.push(file);
    if (await hasSha256(file, sha256)) continue;
    if (offline) throw new HubError("offline", path, "this package's tag list is not the published one, and nothing is fetched offline: install ramplus again");
    const request = { subject: path, ...(signal === undefined ? {} : { signal }) };
    const bytes = await withRetries(timing, signal, () => client.bytes(`${publishedLists.address}${path}`, request));
    if (createHash("sha256").update(bytes).digest("hex") !== sha256) throw new HubError("wrong-hash", path, `${publishedLists.address}${path} has other bytes than its sha256 ${sha256} says: install ramplus again, which brings the list`);
    await writeWhole(file, bytes);
  }
  const [tags, tagsZh, thresholds] = files as [string, string, string];
  return { tags, tagsZh, thresholds };
}
