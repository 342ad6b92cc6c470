import { stat } from "node:fs/promises";
import { join } from "node:path";
import { readText } from "../vocab/read-text.js";
import { readTextList } from "../vocab/text-lists.js";
import { DataError } from "./data-error.js";
import { annotatedColumns, linesOf, parseAnnotations, type AnnotatedImage } from "./reference-annotations.js";

/** The benchmarks that the reference comes with, in its own files. */
export const benchmarkNames = ["openimages-common-214", "openimages-rare-200", "imagenet-multi-1000", "hico-600"] as const;
export type BenchmarkName = (typeof benchmarkNames)[number];

interface BenchmarkFiles {
  /** Subfolder of the reference's `datasets`. */
  readonly folder: string;
  readonly tagList: string;
  readonly annotations: string;
  /** Labels are names of tags separated by commas, or, after one comma, places in the list separated by blanks. */
  readonly labels: "names" | "places";
}

const files: Readonly<Record<BenchmarkName, BenchmarkFiles>> = {
  "openimages-common-214": { folder: "openimages_common_214", tagList: "openimages_common_214_ram_taglist.txt", annotations: "openimages_common_214_ram_annots.txt", labels: "names" },
  "openimages-rare-200": { folder: "openimages_rare_200", tagList: "openimages_rare_200_ram_taglist.txt", annotations: "openimages_rare_200_ram_annots.txt", labels: "names" },
  "imagenet-multi-1000": { folder: "imagenet_multi", tagList: "imagenet_multi_1000_taglist.txt", annotations: "imagenet_multi_1000_annots.txt", labels: "places" },
  "hico-600": { folder: "hico", tagList: "hico_600_taglist.txt", annotations: "hico_600_annots.txt", labels: "places" },
};

/** A benchmark's tags, and which of them its images show. */
export interface Benchmark {
  readonly name: BenchmarkName;
  /** May have a name twice: what is meant is the place in the list. */
  readonly tagList: readonly string[];
  /** Names as the annotations have them, with or without an ending; places in the tag list, ascending, each once. */
  readonly images: readonly { readonly image: string; readonly columns: readonly number[] }[];
  /** The annotations' file. */
  readonly file: string;
}

/**
 * Reads a benchmark's files from a folder that holds them, or from the reference's `datasets` above it. Throws a DataError:
 * not-found, bad-list naming the line; a VocabularyError for a file that is no text.
 */
export async function readBenchmark(name: BenchmarkName, folder: string): Promise<Benchmark> {
  const { folder: own, tagList: listName, annotations, labels } = files[name];
  const inside = join(folder, own);
  const root = (await stat(join(inside, annotations)).catch(() => null)) === null ? folder : inside;
  const file = join(root, annotations);
  for (const each of [file, join(root, listName)]) {
    if ((await stat(each).catch(() => null))?.isFile() !== true) throw new DataError("not-found", each, `is not there: ${name} needs ${listName} and ${annotations}, from datasets/${own} of the reference's repository`);
  }
  const tagList = await readTextList(join(root, listName));
  const text = (await readText(file)).replaceAll("\r\n", "\n");
  const images = labels === "places" ? parsePlaces(text, tagList.length, file) : parsed(parseAnnotations(text), tagList, file);
  return { name, tagList, images, file };
}

function parsed(images: readonly AnnotatedImage[], tagList: readonly string[], file: string): Benchmark["images"] {
  const columns = annotatedColumns(images, tagList, file);
  return images.map(({ image }, i) => ({ image, columns: columns[i]! }));
}

function parsePlaces(text: string, count: number, file: string): Benchmark["images"] {
  return linesOf(text).map((line, i) => {
    const comma = line.indexOf(",");
    const image = comma < 0 ? line : line.slice(0, comma);
    // Some images have no labels, and then no comma either.
    const places = comma < 0 ? [] : line.slice(comma + 1).split(" ").filter((place) => place !== "");
    for (const place of places) if (!/^\d+$/.test(place) || Number(place) >= count) throw new DataError("bad-list", file, `line ${i + 1}: ${JSON.stringify(place.slice(0, 40))} is no place in the tag list (0 to ${count - 1})`);
    return { image, columns: [...new Set(places.map(Number))].sort((a, b) => a - b) };
  });
}
