import { ratios, type PrecisionRecallF1 } from "./precision-recall.js";
import { byFallingScore } from "./ranking.js";
import { truthOf, type ScoredColumn, type TagFigures } from "./tag-figures.js";

/** A photo of a tag with its score. */
export interface ScoredPhoto {
  /** Index among the photos. */
  readonly photo: number;
  readonly score: number;
  /** Whether it got the tag. */
  readonly given: boolean;
}

/** A tag that did badly, with the photos that cost it most. */
export interface WorstTag {
  readonly figures: TagFigures;
  /** Photos that show it, lowest scores first. */
  readonly low: readonly ScoredPhoto[];
  /** Photos that do not show it, highest scores first. */
  readonly high: readonly ScoredPhoto[];
  /** Precision against recall, by rising recall. */
  readonly curve: readonly Pick<PrecisionRecallF1, "precision" | "recall">[];
}

/** With fewer photos average precision is a matter of chance: such tags come last. */
const fewPhotos = 5;

/** The tags of lowest average precision among those that photos show, with some photos each. */
export function worstTags(tags: readonly TagFigures[], columns: readonly ScoredColumn[], count: number, photosEach: number): WorstTag[] {
  const shown = [...tags.keys()].filter((place) => tags[place]!.positives > 0);
  const worst = shown.sort((a, b) => Number(tags[a]!.positives < fewPhotos) - Number(tags[b]!.positives < fewPhotos) || tags[a]!.ap - tags[b]!.ap).slice(0, count);
  return worst.map((place) => worstOf(tags[place]!, columns[place]!, photosEach));
}

function worstOf(figures: TagFigures, column: ScoredColumn, photosEach: number): WorstTag {
  const truth = truthOf(column);
  const order = byFallingScore(column.scores);
  const { threshold, scores } = column;
  const entry = (photo: number): ScoredPhoto => ({ photo, score: scores[photo]!, given: threshold !== null && scores[photo]! > Math.fround(threshold) });
  const first = (photos: Uint32Array, shows: number): ScoredPhoto[] => {
    const found: ScoredPhoto[] = [];
    for (let i = 0; i < photos.length && found.length < photosEach; i++) if (truth[photos[i]!] === shows) found.push(entry(photos[i]!));
    return found;
  };
  return { figures, low: first(order.toReversed(), 1), high: first(order, 0), curve: curveOf(order, truth, figures.positives) };
}

/** A point for each photo that shows the tag, a hundred at most. */
function curveOf(order: Uint32Array, truth: Uint8Array, there: number): WorstTag["curve"] {
  const step = Math.max(1, Math.ceil(there / 100));
  const curve: { precision: number; recall: number }[] = [];
  let hit = 0;
  order.forEach((photo, rank) => {
    if (truth[photo] === 0) return;
    hit++;
    if (hit % step === 0 || hit === there) curve.push(ratios({ hit, found: rank + 1, there }));
  });
  return curve;
}
