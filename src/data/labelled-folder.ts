import { readdir, stat } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { DataError } from "./data-error.js";
import { readLabelFile, type PhotoTags } from "./label-file.js";

/** A labelled photo that is there. */
export interface FolderPhoto extends PhotoTags {
  /** Where it lies. */
  readonly path: string;
}

/** A folder of photos with a file of labels. */
export interface LabelledFolder {
  readonly folder: string;
  /** Photos that are there, in the order of the labels. */
  readonly photos: readonly FolderPhoto[];
  /** Names of labelled photos that are not there. */
  readonly missing: readonly string[];
}

/** Endings that are tried for a name without one, as the reference's annotations have them. */
const endings = ["jpg", "jpeg", "png", "webp", "JPG", "JPEG", "PNG"];
const withEndings = (name: string): string[] => [name, ...endings.map((ending) => `${name}.${ending}`)];

/**
 * Finds the photos that a file of labels names (`readLabelFile`): by their path within the folder, from where the program runs
 * where that leads into the folder, or, for a name that no file has, with an image's ending added. Photos without labels are left
 * out. Throws a DataError: not-found (no such folder or file of labels), bad-labels (also for a path that leads out of the folder).
 */
export async function openLabelledFolder(folder: string, labels: string, signal?: AbortSignal): Promise<LabelledFolder> {
  await checkFolder(folder);
  const photos: FolderPhoto[] = [];
  const missing: string[] = [];
  for (const labelled of await readLabelFile(labels)) {
    signal?.throwIfAborted();
    const path = await locate(folder, labelled.file, labels);
    if (path === null) missing.push(labelled.file);
    else photos.push({ ...labelled, path });
  }
  return { folder, photos, missing };
}

async function checkFolder(folder: string): Promise<void> {
  const info = await stat(folder).catch(() => null);
  if (info === null || !info.isDirectory()) throw new DataError("not-found", folder, "is not a folder of photos");
}

async function locate(folder: string, name: string, file: string): Promise<string | null> {
  const within = (path: string): boolean => {
    const way = relative(resolve(folder), resolve(path));
    return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
  };
  const candidates = [...(isAbsolute(name) ? [] : [join(folder, name)]), resolve(name)].filter(within);
  if (candidates.length === 0) throw new DataError("bad-labels", file, `${JSON.stringify(name)} leads out of ${folder}: photos are named by their path within the folder`);
  for (const path of candidates) for (const each of withEndings(path)) if ((await stat(each).catch(() => null))?.isFile()) return each;
  return null;
}

/**
 * Finds photos whose names are unlike all others, as those of a benchmark: by their path within the folder, else by the last part
 * of it anywhere in the folder (flat, or sorted into folders of classes), the ending added where it is left out. Gives a path, or
 * null, for each name. Folders that are links are not followed. Throws a DataError (not-found).
 */
export async function findByName(folder: string, names: readonly string[], signal?: AbortSignal): Promise<(string | null)[]> {
  await checkFolder(folder);
  const [byPath, byLast] = [new Map<string, string>(), new Map<string, string | null>()];
  const open = [""];
  while (open.length > 0) {
    signal?.throwIfAborted();
    const inside = open.pop()!;
    const entries = await readdir(join(folder, inside), { withFileTypes: true }).catch((cause: unknown) => {
      throw new DataError("not-found", join(folder, inside), `cannot be read: ${(cause as Error).message}`, { cause });
    });
    for (const entry of entries) {
      const name = inside === "" ? entry.name : `${inside}/${entry.name}`;
      if (entry.isDirectory()) open.push(name);
      else {
        byPath.set(name, join(folder, name));
        // Of two files of one name neither is meant.
        byLast.set(entry.name, byLast.has(entry.name) ? null : join(folder, name));
      }
    }
  }
  return names.map((name) => {
    const all = withEndings(name);
    const found = all.find((each) => byPath.has(each));
    if (found !== undefined) return byPath.get(found)!;
    const last = all.map((each) => byLast.get(each.slice(each.lastIndexOf("/") + 1)));
    return last.find((path) => path !== undefined) ?? null;
  });
}
