import { join } from "node:path";
import { assertRoom, fileSize } from "./disk.js";
import { downloadFile } from "./download-file.js";
import { blobFile, markPulled, showInSnapshot, type CachedRepository } from "./hub-cache.js";
import type { HubRepository, OfficialFile } from "./official-files.js";
import { announcedFiles, type AnnouncedFile, type HubAccess } from "./repository-files.js";
import type { TransferProgress } from "./transfer-progress.js";

/** Fetches files of a commit into the hub's cache, after a look at the room on the disk. Throws a HubError. */
export async function fetchFiles(
  access: HubAccess,
  { repository, cached, commit, files }: { readonly repository: HubRepository; readonly cached: CachedRepository; readonly commit: string; readonly files: readonly OfficialFile[] },
  onProgress: ((progress: TransferProgress) => void) | undefined,
): Promise<void> {
  const { client, settings, timing, signal } = access;
  const options = { stateFolder: join(settings.cache, "downloads"), timing, ...(onProgress === undefined ? {} : { onProgress }), ...(signal === undefined ? {} : { signal }) };
  const announced = await announcedFiles(access, repository, commit, files);
  const left = await Promise.all(announced.map((file) => bytesLeft(cached, file)));
  await assertRoom(cached.folder, left.reduce((a, b) => a + b, 0), announced.map(({ path }) => path).join(", "));
  for (const { path, url, size, digest } of announced) {
    const blob = digest.hex;
    const file = blobFile(cached, blob);
    // A content that another program fetched stays that program's.
    if ((await fileSize(file)) !== size) {
      await markPulled(cached, commit, path, blob);
      await downloadFile(client, { name: path, url, file, size, digest }, options);
    }
    await showInSnapshot(cached, commit, path, blob);
  }
}

/** Bytes of a file that are not here yet. */
async function bytesLeft(cached: CachedRepository, { size, digest }: AnnouncedFile): Promise<number> {
  const file = blobFile(cached, digest.hex);
  const here = (await fileSize(file)) ?? (await fileSize(`${file}.incomplete`)) ?? 0;
  return Math.max(0, size - here);
}
