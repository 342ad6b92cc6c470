import type { TrainingPhoto } from "./photo-store.js";

/** Mean average precision over the tags that have at least five positives among the photos; photos that say nothing of a tag do not count for it. */
export function heldOutMap(scores: readonly Float32Array[], photos: readonly TrainingPhoto[], tags: readonly number[]): number {
  const values: number[] = [];
  for (const tag of tags) {
    const order = photos.flatMap((photo, i) => (photo.targets[tag] === -1 ? [] : [i])).sort((a, b) => scores[b]![tag]! - scores[a]![tag]!);
    let [positives, sum] = [0, 0];
    order.forEach((i, rank) => {
      if (photos[i]!.targets[tag] === 1) sum += ++positives / (rank + 1);
    });
    if (positives >= 5) values.push(sum / positives);
  }
  return values.length === 0 ? 0 : values.reduce((a, b) => a + b) / values.length;
}
