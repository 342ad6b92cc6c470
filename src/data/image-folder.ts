import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "./data-error.js";
import type { SetClass } from "./labelled-set.js";

/** Photos of a folder with a subfolder for each class. */
export interface ImageFolder {
  readonly classes: readonly SetClass[];
  /** Path of each photo's file, and the index of its class; by class, then by name. */
  readonly photos: readonly { readonly path: string; readonly label: number }[];
}

const imageName = /\.(jpe?g|png|webp|gif|tiff?|bmp|avif|hei[cf])$/i;

/** Lists a folder whose subfolders are classes; files are taken by their endings, and looked into when they are read. Throws a DataError where it has no photos. */
export async function openImageFolder(folder: string): Promise<ImageFolder> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new DataError("not-found", folder, "cannot be read: expected a folder with a subfolder of photos for each class", { cause });
  });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();
  const photos: { path: string; label: number }[] = [];
  for (const [label, name] of names.entries()) {
    const files = await readdir(join(folder, name), { withFileTypes: true });
    for (const file of files.filter((entry) => entry.isFile() && imageName.test(entry.name)).map((entry) => entry.name).sort()) photos.push({ path: join(folder, name, file), label });
  }
  if (photos.length === 0) throw new DataError("no-photos", folder, "has no photos in subfolders: each subfolder is a class");
  return { classes: names.map((name) => ({ name })), photos };
}
