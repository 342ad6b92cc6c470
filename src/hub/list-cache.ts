import { rm } from "node:fs/promises";
import { join } from "node:path";
import { modelsFolder } from "../bundle/models-folder.js";
import { cachedRepository, mainCommit, recordedCommit, snapshotSize } from "./hub-cache.js";
import { HubError } from "./hub-error.js";
import { hubSettings, type HubSettings } from "./hub-settings.js";
import { officialFiles, officialNames, type OfficialFiles, type OfficialName } from "./official-files.js";
import { folderSize, namesIn, pulledFiles, removePulled, type PulledRecord } from "./pulled-files.js";

/** Something that this program keeps and that can be freed by its name. */
export interface CacheEntry {
  readonly name: string;
  /** A converted model; files of a repository as downloaded; ONNX Runtime's CUDA libraries; tag lists. */
  readonly kind: "model" | "files" | "cuda" | "lists";
  readonly folder: string;
  readonly bytes: number;
  /** False for a download or conversion that was interrupted. */
  readonly whole: boolean;
}

interface CacheOptions {
  /** @default by the variables of the Hugging Face hub */
  readonly settings?: HubSettings;
}

interface Found {
  readonly entry: CacheEntry;
  remove(): Promise<void>;
}

async function findAll(settings: HubSettings): Promise<Found[]> {
  const { cache } = settings;
  const removal = (folder: string) => () => rm(folder, { recursive: true, force: true });
  const models = await Promise.all(
    (await namesIn(modelsFolder(cache))).map(async (name): Promise<Found> => {
      const folder = join(modelsFolder(cache), name);
      return { entry: { name, kind: "model", folder, bytes: await folderSize(folder), whole: !/\.(part|old)$/.test(name) }, remove: removal(folder) };
    }),
  );
  const byRepository = new Map<string, PulledRecord[]>();
  for (const record of await pulledFiles(settings)) byRepository.set(record.repository.folder, [...(byRepository.get(record.repository.folder) ?? []), record]);
  const files = [...byRepository].map(([folder, records]): Found => {
    const official = officialNames.find((name) => cachedRepository(settings, officialFiles[name].repository).folder === folder);
    const bytes = records.reduce((sum, record) => sum + record.bytes, 0);
    return {
      entry: { name: `${official ?? folder.split(/[\\/]/).at(-1)!}-files`, kind: "files", folder, bytes, whole: records.every(({ whole }) => whole) },
      async remove() {
        for (const record of records) await removePulled(settings, record);
      },
    };
  });
  const others = await Promise.all(
    (["cuda", "lists"] as const).map(async (kind): Promise<Found> => {
      const folder = join(cache, kind);
      const names = await namesIn(folder);
      return { entry: { name: kind, kind, folder, bytes: await folderSize(folder), whole: names.length > 0 && !names.some((name) => /\.(nupkg|incomplete|part)$/.test(name)) }, remove: removal(folder) };
    }),
  );
  return [...models, ...files, ...others.filter(({ entry }) => entry.bytes > 0)];
}

/** What this program keeps in its caches. Files that other programs put into the hub's cache are not among it. */
export async function listCache({ settings = hubSettings() }: CacheOptions = {}): Promise<CacheEntry[]> {
  return (await findAll(settings)).map(({ entry }) => entry);
}

/** Frees entries by name, or all; gives what was freed. Throws a HubError for a name that is not there. */
export async function cleanCache(names: readonly string[] | "all", { settings = hubSettings() }: CacheOptions = {}): Promise<CacheEntry[]> {
  const found = await findAll(settings);
  const unknown = names === "all" ? undefined : names.find((name) => !found.some(({ entry }) => entry.name === name));
  if (unknown !== undefined) throw new HubError("bad-option", unknown, `is not in the cache; there ${found.length === 0 ? "is nothing" : `is ${found.map(({ entry }) => entry.name).join(", ")}`}`);
  const chosen = found.filter(({ entry }) => names === "all" || names.includes(entry.name));
  for (const { remove } of chosen) await remove();
  return chosen.map(({ entry }) => entry);
}

/** An official model, and what of it is here. */
export interface OfficialModel extends Pick<OfficialFiles, "title" | "licence"> {
  readonly name: OfficialName;
  /** Page of its repository. */
  readonly source: string;
  /** Of all files, where the hub need not be asked. */
  readonly bytes: number | null;
  /** All files are in the hub's cache, whichever program put them there. */
  readonly downloaded: boolean;
  /** Folder of the converted model, or null. */
  readonly converted: string | null;
}

/** The official models, without a look at the network. */
export async function listOfficialModels({ settings = hubSettings() }: CacheOptions = {}): Promise<OfficialModel[]> {
  const models = await namesIn(modelsFolder(settings.cache));
  return Promise.all(
    officialNames.map(async (name) => {
      const { title, licence, repository, revision, files } = officialFiles[name];
      const cached = cachedRepository(settings, repository);
      const commit = revision ?? (await recordedCommit(cached)) ?? (await mainCommit(cached));
      const sizes = await Promise.all(files.map(({ path }) => (commit === null ? null : snapshotSize(cached, commit, path))));
      const known = files.map(({ bytes }, i) => bytes ?? sizes[i] ?? null);
      return {
        name,
        title,
        licence,
        source: `https://huggingface.co/${repository.type === "model" ? "" : `${repository.type}s/`}${repository.name}`,
        bytes: known.some((bytes) => bytes === null) ? null : known.reduce<number>((sum, bytes) => sum + bytes!, 0),
        downloaded: sizes.every((size, i) => size !== null && (files[i]!.bytes === undefined || files[i]!.bytes === size)),
        converted: models.includes(name) ? join(modelsFolder(settings.cache), name) : null,
      };
    }),
  );
}
