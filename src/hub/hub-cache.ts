import { getRepoFolderName } from "@huggingface/hub";
import { copyFile, lstat, mkdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { writeFault, writeWhole } from "./disk.js";
import type { HubSettings } from "./hub-settings.js";
import type { HubRepository } from "./official-files.js";

/**
 * A repository in the hub's cache, laid out as all of the hub's programs do: `blobs/` holds contents by their hash,
 * `snapshots/COMMIT/` the files of a commit as links to them, `refs/` what branches stood at.
 */
export interface CachedRepository {
  readonly folder: string;
  /** A record beside the hub's cache of what this program put there; the rest is other programs'. */
  readonly record: string;
}

export function cachedRepository({ hubCache, cache }: HubSettings, repository: HubRepository): CachedRepository {
  const name = getRepoFolderName(repository);
  return { folder: join(hubCache, name), record: join(cache, "pulled", name) };
}

export const blobFile = ({ folder }: CachedRepository, blob: string): string => join(folder, "blobs", blob);
export const snapshotFile = ({ folder }: CachedRepository, commit: string, path: string): string => join(folder, "snapshots", commit, path);

export const isCommit = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f]{40}$/.test(value);

const readCommit = async (file: string): Promise<string | null> => {
  const text = (await readFile(file, "utf8").catch(() => "")).trim();
  return isCommit(text) ? text : null;
};

/** The commit that this program keeps to where none is pinned, or null before the first pull. */
export const recordedCommit = ({ record }: CachedRepository): Promise<string | null> => readCommit(join(record, "revision"));

/** What the hub's programs last saw at the main branch, or null. */
export const mainCommit = ({ folder }: CachedRepository): Promise<string | null> => readCommit(join(folder, "refs", "main"));

/** Records the commit that this program keeps to. */
export async function recordCommit({ record }: CachedRepository, commit: string): Promise<void> {
  await writeWhole(join(record, "revision"), `${commit}\n`);
}

/** Notes, for other programs too, that the hub's main branch stands at a commit. */
export async function noteMain({ folder }: CachedRepository, commit: string): Promise<void> {
  await writeWhole(join(folder, "refs", "main"), commit);
}

const markFile = ({ record }: CachedRepository, commit: string, path: string): string => join(record, commit, path);

/** Notes that this program fetches a file, before it does: what was begun can be found and freed. */
export async function markPulled(repository: CachedRepository, commit: string, path: string, blob: string): Promise<void> {
  await writeWhole(markFile(repository, commit, path), `${blob}\n`);
}

/** The blob of a file that this program fetched, or null for one that is another program's or not here. */
export async function pulledBlob(repository: CachedRepository, commit: string, path: string): Promise<string | null> {
  const blob = (await readFile(markFile(repository, commit, path), "utf8").catch(() => "")).trim();
  return /^[0-9a-f]{40,64}$/.test(blob) ? blob : null;
}

/** Size of a file of a snapshot, or null where it is not there. */
export async function snapshotSize(repository: CachedRepository, commit: string, path: string): Promise<number | null> {
  const info = await stat(snapshotFile(repository, commit, path)).catch(() => null);
  return info !== null && info.isFile() ? info.size : null;
}

/** Shows a blob under its name in a snapshot. Without links (Windows, where they need a right) it is moved there. */
export async function showInSnapshot(repository: CachedRepository, commit: string, path: string, blob: string): Promise<void> {
  const [from, to] = [blobFile(repository, blob), snapshotFile(repository, commit, path)];
  try {
    await mkdir(dirname(to), { recursive: true });
    await mkdir(join(repository.folder, "refs"), { recursive: true });
    if ((await lstat(to).catch(() => null)) !== null) await rm(to);
    try {
      await symlink(relative(dirname(to), from), to);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "EEXIST") return;
      await rename(from, to).catch(() => copyFile(from, to));
    }
  } catch (cause) {
    throw writeFault(cause, to);
  }
}
