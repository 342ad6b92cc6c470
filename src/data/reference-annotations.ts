import { DataError } from "./data-error.js";

/** A line of the reference's annotation or prediction files: an image and its tags. */
export interface AnnotatedImage {
  readonly image: string;
  readonly tags: readonly string[];
}

/** Reads "image,tag,tag" lines. */
export function parseAnnotations(text: string): AnnotatedImage[] {
  return linesOf(text).map((line) => {
    const [image, ...tags] = line.split(",");
    return { image: image!, tags };
  });
}

/** Lines of a text; the final line break may be missing. */
export function linesOf(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/**
 * For each image the places of its tags in a list, ascending; a tag that stands twice in the list has both. Throws a DataError
 * naming a tag that is not in the list.
 */
export function annotatedColumns(images: readonly AnnotatedImage[], tagList: readonly string[], file: string): number[][] {
  const places = new Map<string, number[]>();
  tagList.forEach((tag, place) => places.set(tag, [...(places.get(tag) ?? []), place]));
  return images.map(({ image, tags }) => {
    const own = tags.flatMap((tag) => {
      const found = places.get(tag);
      if (found === undefined) throw new DataError("bad-list", file, `${image}: tag ${JSON.stringify(tag)} is not in the tag list`);
      return found;
    });
    return [...new Set(own)].sort((a, b) => a - b);
  });
}
