import type { Description } from "../vocab/descriptions.js";
import { meanRow } from "../vocab/tag-bank.js";
import type { EncodeOptions, TextEncoder } from "./text-encoder.js";

export interface DescribedOptions extends Pick<EncodeOptions, "signal" | "onProgress"> {
  /** The network that the rows are for: RAM++ keeps every description, RAM averages them. */
  readonly kind: "ram_plus" | "ram";
  /** Cut texts of more than 77 tokens; else they are an error. @default as in the reference: true for RAM++, false for RAM */
  readonly truncate?: boolean;
}

/** The rows of one tag. */
export interface TagEmbedding {
  readonly tag: string;
  /** [texts, width] for RAM++, in the order of the descriptions; [1, width] for RAM. Each row has unit length. */
  readonly rows: Float32Array;
}

/**
 * Turns descriptions of tags into rows of a tag table, in the descriptions' order. RAM++: one row a text. RAM: the mean of the
 * texts' unit vectors, brought to unit length; its texts are those of the templates (`templateDescriptions`). Throws as
 * `TextEncoder.encode`.
 */
export async function describedEmbeddings(descriptions: readonly Description[], encoder: TextEncoder, { kind, truncate = kind === "ram_plus", ...encoding }: DescribedOptions): Promise<TagEmbedding[]> {
  const vectors = await encoder.encode(descriptions.flatMap(({ texts }) => texts), { truncate, ...encoding });
  let row = 0;
  return descriptions.map(({ tag, texts }) => {
    const rows = vectors.slice(row * encoder.width, (row + texts.length) * encoder.width);
    row += texts.length;
    return { tag, rows: kind === "ram_plus" ? rows : meanRow(rows, encoder.width) };
  });
}
