import type { Description } from "./descriptions.js";

/** The 63 templates of RAM's open set (github.com/xinyu1205/recognize-anything, Apache-2.0), in its order: {} is the tag, {article} "a" or "an". */
export const promptTemplates: readonly string[] = [
  "There is {article} {} in the scene.",
  "There is the {} in the scene.",
  "a photo of {article} {} in the scene.",
  "a photo of the {} in the scene.",
  "a photo of one {} in the scene.",
  "itap of {article} {}.",
  "itap of my {}.",
  "itap of the {}.",
  "a photo of {article} {}.",
  "a photo of my {}.",
  "a photo of the {}.",
  "a photo of one {}.",
  "a photo of many {}.",
  "a good photo of {article} {}.",
  "a good photo of the {}.",
  "a bad photo of {article} {}.",
  "a bad photo of the {}.",
  "a photo of a nice {}.",
  "a photo of the nice {}.",
  "a photo of a cool {}.",
  "a photo of the cool {}.",
  "a photo of a weird {}.",
  "a photo of the weird {}.",
  "a photo of a small {}.",
  "a photo of the small {}.",
  "a photo of a large {}.",
  "a photo of the large {}.",
  "a photo of a clean {}.",
  "a photo of the clean {}.",
  "a photo of a dirty {}.",
  "a photo of the dirty {}.",
  "a bright photo of {article} {}.",
  "a bright photo of the {}.",
  "a dark photo of {article} {}.",
  "a dark photo of the {}.",
  "a photo of a hard to see {}.",
  "a photo of the hard to see {}.",
  "a low resolution photo of {article} {}.",
  "a low resolution photo of the {}.",
  "a cropped photo of {article} {}.",
  "a cropped photo of the {}.",
  "a close-up photo of {article} {}.",
  "a close-up photo of the {}.",
  "a jpeg corrupted photo of {article} {}.",
  "a jpeg corrupted photo of the {}.",
  "a blurry photo of {article} {}.",
  "a blurry photo of the {}.",
  "a pixelated photo of {article} {}.",
  "a pixelated photo of the {}.",
  "a black and white photo of the {}.",
  "a black and white photo of {article} {}.",
  "a plastic {}.",
  "the plastic {}.",
  "a toy {}.",
  "the toy {}.",
  "a plushie {}.",
  "the plushie {}.",
  "a cartoon {}.",
  "the cartoon {}.",
  "an embroidered {}.",
  "the embroidered {}.",
  "a painting of the {}.",
  "a painting of a {}.",
];

/**
 * The texts of a tag that RAM's open set averages. As in the reference the article goes by the tag's first letter as written ("Ale" gives
 * "a ale"), the name is in lower case, `_` is a blank, `/` is " or ", and a sentence that begins with "a" or "the" gets "This is " in front.
 */
export function classTexts(tag: string): string[] {
  const name = tag.replaceAll("_", " ").replaceAll("/", " or ").toLowerCase().replace(/\.+$/, "");
  const article = /^[aeiou]/.test(tag) ? "an" : "a";
  return promptTemplates.map((template) => {
    const text = template.replace("{article}", article).replace("{}", () => name);
    return /^(a|the)/.test(text) ? `This is ${text}` : text;
  });
}

/** The sentence that comes first among the descriptions of RAM++: always "a", the tag in lower case. */
export function photoText(tag: string): string {
  return `a photo of a ${tag.toLowerCase()}.`;
}

/** Descriptions of tags where there are no others: the texts of the templates. */
export function templateDescriptions(tags: readonly string[]): Description[] {
  return tags.map((tag) => ({ tag, texts: classTexts(tag) }));
}
