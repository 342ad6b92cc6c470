import { createCaptionTargets } from "../data/caption-targets.js";
import { DataError } from "../data/data-error.js";
import { openLabelledSet } from "../data/labelled-set.js";
import type { Tagger } from "../tagger/tagger.js";
import { indexTags } from "../vocab/tag-index.js";
import { measure, type EvaluateOptions, type Evaluation, type MeasuredTag, type Subject } from "./evaluate.js";
import { setSource } from "./photo-source.js";

export interface EvaluateCaptionsOptions extends EvaluateOptions {
  /** Split of the set. @default "val" */
  readonly split?: string;
  /** Photos whose captions must name or imply a tag for it to be measured. @default 10 */
  readonly least?: number;
}

/**
 * Tags a split of a set with captions and compares with the tags that the captions name or imply. What no caption of a photo names
 * counts as not there, though it may be: these figures tell models apart and say little alone. Throws a DataError for a set that
 * cannot be read or has no captions, an EvalError where there is nothing to measure.
 */
export async function evaluateCaptions(tagger: Tagger, folder: string, { split = "val", least = 10, ...options }: EvaluateCaptionsOptions = {}): Promise<Evaluation> {
  const { choice, signal } = options;
  const chosen = await tagger.chosenTags({ ...choice, ...(signal && { signal }) });
  const set = await openLabelledSet(folder);
  const photos = set.splits.get(split);
  if (photos === undefined) throw new DataError("not-found", folder, `has no split ${split}; it has ${[...set.splits.keys()].join(", ")}`);
  const described = new Map([...photos].filter(([, { captions }]) => captions.length > 0));
  if (described.size === 0) throw new DataError("no-photos", folder, `has no captions in split ${split}`);
  const targets = createCaptionTargets([...described.values()].map(({ captions }) => captions), indexTags(chosen), least);
  const place = new Map(targets.covered.map((id, i) => [id, i]));
  const subject: Subject = {
    name: `${set.name} ${split}`,
    source: setSource(set, split, ({ captions }) => captions.length > 0),
    missing: [],
    listed: targets.covered.length,
    lacking: [],
    own: targets.covered.map((id): MeasuredTag => ({ name: chosen[id]!.en, tag: chosen[id]! })),
    implied: [],
    shows: (photo) => targets.named(described.get(photo)!.captions).flatMap((id) => place.get(id) ?? []),
  };
  return (await measure(tagger, subject, chosen, options)).evaluation;
}
