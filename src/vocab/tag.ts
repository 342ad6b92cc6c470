/** One tag of a model's vocabulary: row `id` of the tag embeddings. */
export interface Tag {
  /** Row of the tag, from 0. */
  readonly id: number;
  /** English name. */
  readonly en: string;
  /** Chinese name, as the list has it (a trailing blank belongs to some official names). */
  readonly zh: string;
  /** The tag is returned when its score is strictly greater; `null`: never returned. */
  readonly threshold: number | null;
  /** Other names of the same tag. */
  readonly aliases?: readonly string[];
  /** `en` of the tags that this one implies ("dog" implies "animal"). */
  readonly parents?: readonly string[];
  /** False: the tag keeps its own score, whatever implies it (`impliedLift`). @default true */
  readonly lifted?: boolean;
  /** WordNet 3.0 ids of the synsets that the tag stands for; a list where several were merged. */
  readonly wnid?: string | readonly string[];
}
