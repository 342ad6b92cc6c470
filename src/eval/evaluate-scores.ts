import { pooledCurve, type PooledCurve } from "./pooled-curve.js";
import { ratios, type Counts, type PrecisionRecallF1 } from "./precision-recall.js";
import { countsAbove, tagFigures, type ScoredColumn, type TagFigures } from "./tag-figures.js";

/** Figures over several tags. */
export interface MeanFigures extends PrecisionRecallF1 {
  readonly tags: number;
  /** Tags that a photo shows. */
  readonly shown: number;
  /** Tags of all photos together: those that they show, those given by the thresholds, and the right ones among these. */
  readonly positives: number;
  readonly given: number;
  readonly right: number;
  /** Mean of the tags' average precisions as in the reference: a tag that no photo shows counts 0. */
  readonly map: number;
  /** The mean over tags that a photo shows. */
  readonly mapOfShown: number;
  /** Means over the tags of the reference's precision and recall (its CP and CR); a tag that no photo shows counts with 0. */
  readonly reference: { readonly precision: number; readonly recall: number };
}

/** Tags taken together, by their places in a list. */
export interface TagGroup {
  readonly name: string;
  readonly columns: readonly number[];
}

/** What scores are worth. */
export interface ScoreFigures {
  /** Over all tags; precision, recall and F1 over all decisions, each at its tag's threshold. */
  readonly overall: MeanFigures;
  /** One threshold for all tags. */
  readonly pooled: PooledCurve;
  /** In the order of the list. */
  readonly tags: readonly TagFigures[];
  readonly groups: readonly (MeanFigures & { readonly name: string })[];
}

/** Figures of a matrix of scores, given by its columns: from a tagger, a bank of tags or anywhere else. */
export function evaluateScores(columns: readonly ScoredColumn[], groups: readonly TagGroup[] = []): ScoreFigures {
  const tags = columns.map(tagFigures);
  const counts = columns.map((column) => countsAbove(column, column.threshold));
  const over = (places: readonly number[]): MeanFigures => meanFigures(places.map((place) => tags[place]!), places.map((place) => counts[place]!));
  return {
    overall: over([...columns.keys()]),
    pooled: pooledCurve(columns),
    tags,
    groups: groups.map((group) => ({ name: group.name, ...over(group.columns) })),
  };
}

/** Mean of numbers; 0 of none. */
export const mean = (values: readonly number[]): number => (values.length === 0 ? 0 : values.reduce((a, b) => a + b, 0) / values.length);

function meanFigures(tags: readonly TagFigures[], counts: readonly Counts[]): MeanFigures {
  const total = (key: keyof Counts): number => counts.reduce((sum, each) => sum + each[key], 0);
  const shown = tags.filter(({ positives }) => positives > 0);
  return {
    tags: tags.length,
    shown: shown.length,
    positives: total("there"),
    given: total("found"),
    right: total("hit"),
    map: mean(tags.map(({ ap }) => ap)),
    mapOfShown: mean(shown.map(({ ap }) => ap)),
    ...ratios({ hit: total("hit"), found: total("found"), there: total("there") }),
    reference: { precision: mean(tags.map(({ reference }) => reference.precision)), recall: mean(tags.map(({ reference }) => reference.recall)) },
  };
}
