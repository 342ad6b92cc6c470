import { stat } from "node:fs/promises";
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

/**
 * Finds the photos that a file of labels names (`readLabelFile`): by their path within the folder, from where the program runs
 * where that leads into the folder, or, for a name that no file has, with an image's ending added. Photos without labels are left
 * out. Throws a DataError: not-found (no such folder or file of labels), bad-labels (also for a path that leads out of the folder).
 */
export async function openLabelledFolder(folder: string, labels: string, signal?: AbortSignal): Promise<LabelledFolder> {
  const info = await stat(folder).catch(() => null);
  if (info === null || !info.isDirectory()) throw new DataError("not-found", folder, "is not a folder of photos");
  return findPhotos(folder, await readLabelFile(labels), labels, signal);
}

/** The same for labels that were read already; `file` is named in errors. */
export async function findPhotos(folder: string, labels: readonly PhotoTags[], file: string, signal?: AbortSignal): Promise<LabelledFolder> {
  const photos: FolderPhoto[] = [];
  const missing: string[] = [];
  for (const labelled of labels) {
    signal?.throwIfAborted();
    const path = await locate(folder, labelled.file, file);
    if (path === null) missing.push(labelled.file);
    else photos.push({ ...labelled, path });
  }
  return { folder, photos, missing };
}

async function locate(folder: string, name: string, file: string): Promise<string | null> {
  const within = (path: string): boolean => {
    const way = relative(resolve(folder), resolve(path));
    return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
  };
  const candidates = [...(isAbsolute(name) ? [] : [join(folder, name)]), resolve(name)].filter(within);
  if (candidates.length === 0) throw new DataError("bad-labels", file, `${JSON.stringify(name)} leads out of ${folder}: photos are named by their path within the folder`);
  for (const path of candidates) for (const each of [path, ...endings.map((ending) => `${path}.${ending}`)]) if ((await stat(each).catch(() => null))?.isFile()) return each;
  return null;
}
