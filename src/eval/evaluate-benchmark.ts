import { readBenchmark, type BenchmarkName } from "../data/benchmark.js";
import { findByName } from "../data/labelled-folder.js";
import type { Tagger } from "../tagger/tagger.js";
import { indexTags } from "../vocab/tag-index.js";
import { measure, type EvaluateOptions, type Evaluation } from "./evaluate.js";
import { fileSource } from "./photo-source.js";

export interface BenchmarkFolders {
  /** Folder of the reference's annotations, or its `datasets`. */
  readonly annotations: string;
  /** Folder of the photos; they may lie flat or in folders within. */
  readonly photos: string;
}

/**
 * Measures a model on one of the reference's benchmarks, as the reference does: photos are not turned, and nothing is implied.
 * Tags are matched by name as written, else without regard to case, else by alias; those that the model has not are listed and
 * have no part in the figures. Photos that are not there are listed, not replaced. Throws as `evaluateFolder` does.
 */
export async function evaluateBenchmark(tagger: Tagger, name: BenchmarkName, { annotations, photos }: BenchmarkFolders, options: EvaluateOptions = {}): Promise<Evaluation> {
  const { choice, signal } = options;
  const chosen = await tagger.chosenTags({ ...choice, ...(signal && { signal }) });
  const { tagList, images } = await readBenchmark(name, annotations);
  const index = indexTags(chosen);
  const exact = new Map(chosen.map((tag) => [tag.en, tag]));
  const tags = tagList.map((en) => exact.get(en) ?? index.byName(en));
  const own = tags.flatMap((tag, column) => (tag === undefined ? [] : [{ name: tagList[column]!, tag, column }]));
  const placeOf = new Map(own.map(({ column }, place) => [column, place]));
  const paths = await findByName(photos, images.map(({ image }) => image), signal);
  const shown = new Map(images.map(({ image, columns }) => [image, columns]));
  const subject = {
    name,
    source: fileSource(images.flatMap(({ image }, i) => (paths[i] === null ? [] : [{ name: image, path: paths[i]! }]))),
    missing: images.flatMap(({ image }, i) => (paths[i] === null ? [image] : [])),
    listed: tagList.length,
    lacking: tagList.filter((_, column) => tags[column] === undefined),
    own,
    implied: [],
    shows: (photo: string): number[] => shown.get(photo)!.flatMap((column) => placeOf.get(column) ?? []),
  };
  return (await measure(tagger, subject, chosen, { orient: false, ...options })).evaluation;
}
