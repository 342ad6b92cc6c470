import { stat, readdir } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { glob } from "tinyglobby";
import { isImageFile } from "../index.js";

/** A path to tag, or a path that cannot be. */
export type FoundPhoto = { readonly path: string } | { readonly path: string; readonly error: { readonly code: string; readonly message: string } };

export interface FindOptions {
  /** Look into folders within folders. */
  readonly recursive: boolean;
  /** Told of each file of a folder that is no image. */
  readonly onPassedOver: (path: string) => void;
}

/** Photos that paths name: files as they are, the images of folders by their content, what a glob matches; in order of names. */
export async function* findPhotos(paths: readonly string[], options: FindOptions): AsyncGenerator<FoundPhoto> {
  for (const path of paths) {
    if (path === "-") {
      yield { path };
      continue;
    }
    const info = await stat(path).catch(() => null);
    if (info?.isDirectory()) {
      yield* orNothingFound(path, photosOfFolder(path, options));
    } else if (info === null && /[*?[\]{}]/.test(path)) {
      // A file is called as its pattern is: from the root, or from where we are.
      const pattern = process.platform === "win32" ? path.replaceAll("\\", "/") : path;
      const matches = await glob(pattern, { onlyFiles: true, expandDirectories: false, absolute: isAbsolute(path) });
      yield* orNothingFound(path, images(matches.sort(), options), "matches no image");
    } else {
      yield { path };
    }
  }
}

async function* orNothingFound(path: string, photos: AsyncGenerator<FoundPhoto>, problem = "holds no image"): AsyncGenerator<FoundPhoto> {
  let found = false;
  for await (const photo of photos) {
    found = true;
    yield photo;
  }
  if (!found) yield { path, error: { code: "no-photos", message: `${path}: ${problem}` } };
}

async function* photosOfFolder(folder: string, options: FindOptions): AsyncGenerator<FoundPhoto> {
  let entries;
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    yield { path: folder, error: { code: "folder-unreadable", message: `${folder}: cannot be read: ${(error as Error).message}` } };
    return;
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (options.recursive) yield* photosOfFolder(path, options);
    } else if (entry.isFile() || (entry.isSymbolicLink() && (await stat(path).catch(() => null))?.isFile())) {
      yield* images([path], options);
    }
  }
}

async function* images(paths: readonly string[], { onPassedOver }: FindOptions): AsyncGenerator<FoundPhoto> {
  for (const path of paths) {
    if (await isImageFile(path)) yield { path };
    else onPassedOver(path);
  }
}
