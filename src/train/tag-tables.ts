import { featureWidth, type RamConfig } from "../model/config.js";

/** The tables of a network that have something for each of its tags, where it has them, and how many numbers for one tag. */
export function tagTables({ descriptions, textWidth, encoder }: RamConfig): readonly (readonly [name: "label_embed" | "similarity_bias" | "classifier.weight", block: number])[] {
  return [
    ["label_embed", descriptions * textWidth],
    ["similarity_bias", 1],
    ["classifier.weight", featureWidth(encoder)],
  ];
}
