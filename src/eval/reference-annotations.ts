import { DataError } from "../data/data-error.js";

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
 * For each image and column of a tag list whether the tag holds; a tag that stands twice in the list marks both columns.
 * Throws a DataError naming a tag that is not in the list.
 */
export function annotationMatrix(images: readonly AnnotatedImage[], tagList: readonly string[], file: string): boolean[][] {
  const known = new Set(tagList);
  return images.map(({ image, tags }) => {
    const missing = tags.find((tag) => !known.has(tag));
    if (missing !== undefined) throw new DataError("bad-list", file, `${image}: tag ${JSON.stringify(missing)} is not in the tag list`);
    const own = new Set(tags);
    return tagList.map((tag) => own.has(tag));
  });
}
