import { lstat, readdir, readlink, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileSize } from "./disk.js";
import { lockFile } from "./file-lock.js";
import { blobFile, isCommit, pulledBlob, snapshotFile, type CachedRepository } from "./hub-cache.js";
import { HubError } from "./hub-error.js";
import type { HubSettings } from "./hub-settings.js";

/** A file that this program put, or began to put, into the hub's cache. */
export interface PulledRecord {
  readonly repository: CachedRepository;
  readonly commit: string;
  readonly path: string;
  readonly blob: string;
  readonly bytes: number;
  readonly whole: boolean;
}

/** Names in a folder; none where there is no folder. Names, never paths: nothing recorded leads out of the cache. */
export const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

/** All that this program put into the hub's cache and that is still there, by folder of the repository. */
export async function pulledFiles({ hubCache, cache }: HubSettings): Promise<PulledRecord[]> {
  const records: PulledRecord[] = [];
  for (const name of await namesIn(join(cache, "pulled"))) {
    const repository = { folder: join(hubCache, name), record: join(cache, "pulled", name) };
    for (const commit of (await namesIn(repository.record)).filter(isCommit)) {
      for (const path of await namesIn(join(repository.record, commit))) {
        const blob = await pulledBlob(repository, commit, path);
        if (blob === null) continue;
        const file = blobFile(repository, blob);
        // Where links need a right (Windows), the content lies in the snapshot itself.
        const whole = (await fileSize(file)) ?? (await fileSize(snapshotFile(repository, commit, path)));
        records.push({ repository, commit, path, blob, bytes: whole ?? (await fileSize(`${file}.incomplete`)) ?? 0, whole: whole !== null });
      }
    }
  }
  return records;
}

/**
 * Removes a file that this program fetched, and its repository's folder if nothing else is in it. A content that another
 * snapshot shows, as another program may have made one, stays. Throws a HubError while another process fetches it.
 */
export async function removePulled({ cache }: HubSettings, { repository, commit, path, blob }: PulledRecord): Promise<void> {
  const state = join(cache, "downloads", blob);
  const busy = (): never => {
    throw new HubError("busy", path, "is being fetched by another process: stop that one first");
  };
  await using _held = await lockFile(`${state}.lock`, { timing: { wait: busy } });
  const shown = snapshotFile(repository, commit, path);
  await rm(shown, { force: true });
  if (!(await isShown(repository, blob))) await rm(blobFile(repository, blob), { force: true });
  for (const file of [`${blobFile(repository, blob)}.incomplete`, `${state}.etag`, join(repository.record, commit, path)]) await rm(file, { force: true });
  for (const folder of [dirname(shown), dirname(dirname(shown)), join(repository.folder, "blobs"), join(repository.record, commit)]) await rmdir(folder).catch(() => undefined);
  if ((await namesIn(join(repository.folder, "blobs"))).length === 0 && (await namesIn(join(repository.folder, "snapshots"))).length === 0) await rm(repository.folder, { recursive: true, force: true });
  if ((await namesIn(repository.record)).every((name) => name === "revision")) await rm(repository.record, { recursive: true, force: true });
}

/** Whether a snapshot has a link to a blob. */
async function isShown({ folder }: CachedRepository, blob: string): Promise<boolean> {
  const entries = await readdir(join(folder, "snapshots"), { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.isSymbolicLink() && basename(await readlink(join(entry.parentPath ?? entry.path, entry.name))) === blob) return true;
  }
  return false;
}

/** Bytes of all files in a folder, links not followed. */
export async function folderSize(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(entries.map(async (entry) => (entry.isFile() ? (await lstat(join(entry.parentPath ?? entry.path, entry.name))).size : 0)));
  return sizes.reduce((a, b) => a + b, 0);
}
