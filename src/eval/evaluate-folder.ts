import { basename, resolve } from "node:path";
import { openLabelledFolder } from "../data/labelled-folder.js";
import { createTargets, present } from "../data/tag-targets.js";
import type { Tagger } from "../tagger/tagger.js";
import { indexTags } from "../vocab/tag-index.js";
import type { ChosenTag } from "../tagger/tag-choice.js";
import { measure, type EvaluateOptions, type Evaluation, type MeasuredTag, type Subject } from "./evaluate.js";
import { fileSource } from "./photo-source.js";

/** The labelled photos of a folder as tags of a choice. Throws a DataError for photos or labels that cannot be read. */
export async function folderSubject(folder: string, labels: string, chosen: readonly ChosenTag[], signal?: AbortSignal): Promise<Subject> {
  const { photos, missing } = await openLabelledFolder(folder, labels, signal);
  const index = indexTags(chosen);
  // A name that is written otherwise, or another of the same tag, is the same label.
  const names = [...new Set(photos.flatMap(({ tags }) => tags))];
  const known = [...new Set(names.flatMap((name) => index.byName(name) ?? []))];
  const place = new Map(known.map((tag, i) => [tag, i]));
  const targets = createTargets(known.map(({ en }) => ({ name: en })), index);
  const measured = (id: number): MeasuredTag => ({ name: chosen[id]!.en, tag: chosen[id]! });
  const [own, implied] = [known.map(({ id }) => measured(id)), targets.implied.map(measured)];
  const all = [...own, ...implied];
  const tagsOf = new Map(photos.map(({ file, tags }) => [file, tags]));
  const lacking = names.filter((name) => index.byName(name) === undefined);
  return {
    name: basename(resolve(folder)),
    source: fileSource(photos.map(({ file, path }) => ({ name: file, path }))),
    missing,
    listed: known.length + lacking.length,
    lacking,
    own,
    implied,
    shows: (photo: string): number[] => {
      const row = targets.row(tagsOf.get(photo)!.flatMap((name) => place.get(index.byName(name)!) ?? []));
      return all.flatMap(({ tag }, i) => (row[tag.id] === present ? [i] : []));
    },
  };
}

/**
 * Tags the photos of a folder that a file of labels names (`readLabelFile`) and compares. A label is a tag's name or alias; case
 * does not matter. What a photo's labels imply holds too; every other tag that the file speaks of, the photo does not show.
 * Throws a DataError for photos or labels that cannot be read, an EvalError where there is nothing to measure.
 */
export async function evaluateFolder(tagger: Tagger, folder: string, labels: string, options: EvaluateOptions = {}): Promise<Evaluation> {
  const { choice, signal } = options;
  const chosen = await tagger.chosenTags({ ...choice, ...(signal && { signal }) });
  const subject = await folderSubject(folder, labels, chosen, signal);
  return (await measure(tagger, subject, chosen, options)).evaluation;
}
