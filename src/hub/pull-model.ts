import { HttpClient } from "./http-client.js";
import { fetchFiles } from "./fetch-files.js";
import { cachedRepository, mainCommit, noteMain, recordCommit, recordedCommit, snapshotFile, snapshotSize, type CachedRepository } from "./hub-cache.js";
import { HubError } from "./hub-error.js";
import { hubSettings, type HubSettings } from "./hub-settings.js";
import { officialFiles, type OfficialFile, type OfficialFiles, type OfficialName } from "./official-files.js";
import { currentCommit, type HubAccess } from "./repository-files.js";
import { tagLists, type TagLists } from "./tag-lists.js";
import { usualTiming, type Timing } from "./timing.js";
import type { TransferProgress } from "./transfer-progress.js";

export interface PullOptions {
  /** Use what is here, and no network. @default HF_HUB_OFFLINE */
  readonly offline?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Places and token. @default by the variables of the Hugging Face hub */
  readonly settings?: HubSettings;
  /** How long servers are waited for. @default 30 s for an answer, 6 tries */
  readonly timing?: Partial<Timing>;
}

/** A file that is here now. */
export interface PulledFile {
  readonly path: string;
  /** Where it lies. */
  readonly file: string;
  readonly bytes: number;
  /** Whether it was fetched now, or was here. */
  readonly from: "hub" | "cache";
}

export interface PulledModel {
  readonly commit: string;
  readonly files: readonly PulledFile[];
  /** The file to convert, where there is one. */
  readonly checkpoint: string | null;
  /** Files of the published tag lists for `convertCheckpoint`, where those of this package are not the published ones; usually null. */
  readonly lists: TagLists | null;
}

/**
 * Downloads the official files of a model into the Hugging Face hub's cache, each verified; files that are there are used,
 * whichever program put them there. `official` may also be a description of other files. Throws a HubError that says what to
 * do, and the signal's reason when aborted; what has arrived is kept, and the next call goes on from there.
 */
export async function pullModel(official: OfficialName | OfficialFiles, options: PullOptions = {}): Promise<PulledModel> {
  const wanted = typeof official === "string" ? officialFiles[official] : official;
  if (wanted === undefined) throw new HubError("bad-option", String(official), `is no official model: expected ${Object.keys(officialFiles).join(", ")}`);
  const settings = options.settings ?? hubSettings();
  const offline = options.offline ?? settings.offline;
  const cached = cachedRepository(settings, wanted.repository);
  const timing = { ...usualTiming, ...options.timing };
  const credentials = settings.token === null ? null : { origin: settings.endpoint.origin, token: settings.token };
  await using client = new HttpClient({ timing, credentials });
  const access: HubAccess = { client, settings, timing, ...(options.signal === undefined ? {} : { signal: options.signal }) };

  const known = wanted.revision ?? (await recordedCommit(cached));
  // What other programs last saw at the main branch serves where it is whole.
  const elsewhere = known === null ? await mainCommit(cached) : null;
  const inUse = elsewhere !== null && (await absentFiles(cached, elsewhere, wanted.files)).length === 0 ? elsewhere : known;
  if (inUse === null && offline) throw missing(wanted, wanted.files, settings);
  const commit = inUse ?? (await currentCommit(access, wanted.repository));
  if (inUse === null) await noteMain(cached, commit);
  if (known === null && !offline) await recordCommit(cached, commit);
  const absent = await absentFiles(cached, commit, wanted.files);
  if (absent.length > 0) {
    if (offline) throw missing(wanted, absent, settings);
    await fetchFiles(access, { repository: wanted.repository, cached, commit, files: absent }, options.onProgress);
  }
  const files: PulledFile[] = [];
  for (const { path } of wanted.files) {
    const file = snapshotFile(cached, commit, path);
    const bytes = await snapshotSize(cached, commit, path);
    if (bytes === null) throw new HubError("not-writable", file, "was removed while it was fetched: start again");
    files.push({ path, file, bytes, from: absent.some((file) => file.path === path) ? "hub" : "cache" });
  }
  const checkpoint = wanted.checkpoint === null ? null : snapshotFile(cached, commit, wanted.checkpoint);
  return { commit, files, checkpoint, lists: checkpoint === null ? null : await tagLists(access, offline) };
}

async function absentFiles(cached: CachedRepository, commit: string, files: readonly OfficialFile[]): Promise<OfficialFile[]> {
  const sizes = await Promise.all(files.map(({ path }) => snapshotSize(cached, commit, path)));
  return files.filter(({ bytes }, i) => sizes[i] === null || (bytes !== undefined && bytes !== sizes[i]));
}

function missing(wanted: OfficialFiles, files: readonly OfficialFile[], { hubCache }: HubSettings): HubError {
  return new HubError("offline", wanted.repository.name, `${files.map(({ path }) => path).join(", ")} ${files.length === 1 ? "is" : "are"} not in ${hubCache}, and nothing is fetched offline: run once without --offline (HF_HUB_OFFLINE), or copy the cache from another machine`);
}
