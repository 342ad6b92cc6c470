import { createHash } from "node:crypto";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RamplusError } from "../error.js";
import { contactSheet, sheetName, sheetSide } from "../image/contact-sheet.js";
import { decodeImage } from "../image/decode.js";
import { differenceHash, nearDuplicates } from "../image/difference-hash.js";
import type { Pixels } from "../image/pixels.js";
import { readImageFile } from "../image/read-image-file.js";
import { resizeBilinear } from "../image/resize.js";
import { DataError } from "./data-error.js";
import { openImageFolder } from "./image-folder.js";
import { openLabelledSet } from "./labelled-set.js";
import { readShard } from "./tar-shards.js";

export interface InspectOptions {
  /** Folder for contact sheets, a JPEG a class. @default none are made */
  readonly sheets?: string;
  /** Photos on a sheet. @default 40 */
  readonly perSheet?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What a set of photos is like. */
export interface SetInspection {
  readonly photos: number;
  readonly splits: readonly { readonly name: string; readonly photos: number; readonly labelled: number; readonly captioned: number }[];
  /** By falling count of photos, those without any included. */
  readonly classes: readonly { readonly name: string; readonly photos: number }[];
  /** Classes that the same photos show, by falling count. */
  readonly together: readonly { readonly classes: readonly [string, string]; readonly photos: number }[];
  /** Groups of photos with the same bytes, and of photos that look alike. */
  readonly same: readonly (readonly string[])[];
  readonly alike: readonly (readonly string[])[];
  /** Shorter sides in pixels: the least, the middle and the greatest. */
  readonly shorterSide: { readonly least: number; readonly median: number; readonly greatest: number } | null;
  readonly failed: readonly { readonly photo: string; readonly message: string }[];
  /** Labelled photos that no shard has. */
  readonly missing: readonly string[];
}

interface SeenPhoto {
  readonly name: string;
  readonly split: string;
  readonly labels: readonly number[];
  readonly captioned: boolean;
  read(): Promise<Uint8Array>;
}

interface Contents {
  readonly classes: readonly string[];
  readonly total: number;
  readonly expected: readonly string[];
  photos(): AsyncGenerator<SeenPhoto>;
}

const mostTogether = 30;

/**
 * Looks through a labelled set (tar shards with labels.json) or a folder with a subfolder for each class: counts, what is labelled
 * together, duplicates within and between splits, sizes, photos that cannot be read; and makes contact sheets. Throws a DataError for
 * what is neither.
 */
export async function inspectSet(folder: string, { sheets, perSheet = 40, signal, onProgress }: InspectOptions = {}): Promise<SetInspection> {
  const contents = await open(folder, signal);
  const [names, splitOf, hashes, sides] = [[] as string[], new Map<string, { photos: number; labelled: number; captioned: number }>(), [] as (bigint | null)[], [] as number[]];
  const digests = new Map<string, string[]>();
  const counts = new Array<number>(contents.classes.length).fill(0);
  const pairs = new Map<number, number>();
  const failed: { photo: string; message: string }[] = [];
  const sheet = contents.classes.map((): Pixels[] => []);
  for await (const photo of contents.photos()) {
    signal?.throwIfAborted();
    const bytes = await photo.read();
    const digest = createHash("sha256").update(bytes).digest("hex");
    digests.set(digest, [...(digests.get(digest) ?? []), photo.name]);
    names.push(photo.name);
    const split = splitOf.get(photo.split) ?? { photos: 0, labelled: 0, captioned: 0 };
    splitOf.set(photo.split, { photos: split.photos + 1, labelled: split.labelled + Number(photo.labels.length > 0), captioned: split.captioned + Number(photo.captioned) });
    const labels = [...new Set(photo.labels)].sort((a, b) => a - b);
    labels.forEach((label, i) => {
      counts[label]!++;
      for (const other of labels.slice(i + 1)) {
        const key = label * contents.classes.length + other;
        pairs.set(key, (pairs.get(key) ?? 0) + 1);
      }
    });
    try {
      const pixels = await decodeImage({ bytes, name: photo.name });
      hashes.push(differenceHash(pixels));
      sides.push(Math.min(pixels.width, pixels.height));
      let small: Pixels | null = null;
      if (sheets !== undefined) for (const label of labels) if (sheet[label]!.length < perSheet) sheet[label]!.push(small ??= resizeBilinear(pixels, sheetSide, sheetSide));
    } catch (error) {
      if (!(error instanceof RamplusError)) throw error;
      hashes.push(null);
      failed.push({ photo: photo.name, message: error.message });
    }
    onProgress?.(names.length, contents.total);
  }
  if (sheets !== undefined) await writeSheets(sheets, contents.classes, sheet);
  sides.sort((a, b) => a - b);
  const seen = new Set(names);
  const same = [...digests.values()].filter((group) => group.length > 1);
  const alreadySame = new Set(same.map((group) => group.join("\n")));
  return {
    photos: names.length,
    splits: [...splitOf].map(([name, split]) => ({ name, ...split })),
    classes: contents.classes.map((name, i) => ({ name, photos: counts[i]! })).sort((a, b) => b.photos - a.photos),
    together: [...pairs].map(([key, photos]) => ({ classes: [contents.classes[Math.floor(key / contents.classes.length)]!, contents.classes[key % contents.classes.length]!] as const, photos })).sort((a, b) => b.photos - a.photos).slice(0, mostTogether),
    same,
    alike: nearDuplicates(hashes).map((group) => group.map((i) => names[i]!)).filter((group) => !alreadySame.has(group.join("\n"))),
    shorterSide: sides.length === 0 ? null : { least: sides[0]!, median: sides[Math.floor(sides.length / 2)]!, greatest: sides.at(-1)! },
    failed,
    missing: contents.expected.filter((name) => !seen.has(name)),
  };
}

async function open(folder: string, signal?: AbortSignal): Promise<Contents> {
  if ((await stat(join(folder, "labels.json")).catch(() => null)) === null) {
    const { classes, photos } = await openImageFolder(folder);
    return {
      classes: classes.map(({ name }) => name),
      total: photos.length,
      expected: [],
      async *photos() {
        for (const { path, label } of photos) yield { name: path, split: "all", labels: [label], captioned: false, read: () => readImageFile(path) };
      },
    };
  }
  const set = await openLabelledSet(folder);
  const all = [...set.splits].flatMap(([split, photos]) => [...photos.keys()].map((key) => `${split}/${key}`));
  return {
    classes: set.classes.map(({ name }) => name),
    total: all.length,
    expected: all,
    async *photos() {
      for (const [split, photos] of set.splits) {
        for (const shard of set.shards.get(split) ?? []) {
          for await (const { key, bytes } of readShard(shard, signal)) {
            const known = photos.get(key);
            if (known !== undefined) yield { name: `${split}/${key}`, split, labels: known.labels ?? [], captioned: known.captions.length > 0, read: async () => bytes };
          }
        }
      }
    },
  };
}

async function writeSheets(folder: string, classes: readonly string[], sheet: readonly (readonly Pixels[])[]): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    for (const [i, photos] of sheet.entries()) {
      if (photos.length > 0) await writeFile(join(folder, `${String(i).padStart(4, "0")} ${sheetName(classes[i]!)}.jpg`), await contactSheet(photos));
    }
  } catch (cause) {
    if (cause instanceof Error && "syscall" in cause) throw new DataError("unwritable", folder, `contact sheets cannot be written: ${cause.message}`, { cause });
    throw cause;
  }
}
