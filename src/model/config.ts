/** Swin Transformer (Liu et al. 2021, arXiv 2103.14030). */
export interface SwinConfig {
  readonly kind: "swin";
  /** Side of the square input, in pixels. */
  readonly imageSize: number;
  readonly patchSize: number;
  /** Width of the first stage; each later stage doubles it. */
  readonly embedWidth: number;
  /** Blocks of each stage. */
  readonly depths: readonly number[];
  /** Attention heads of each stage. */
  readonly heads: readonly number[];
  /** Side of the attention windows, in positions. */
  readonly window: number;
}

/** MobileNetV2 1.0 (Sandler et al. 2018, arXiv 1801.04381), batch norms folded. */
export interface MobileNetV2Config {
  readonly kind: "mobilenet_v2";
  /** Side of the square input, in pixels: a multiple of 32. */
  readonly imageSize: number;
  /**
   * The blocks from the eighth on and the head are there a second time, with weights of their own, beside the first: what was pretrained
   * stays in one while the other learns (side-tuning: Zhang et al. 2020, arXiv 1912.13503). Tokens are those of both, joined.
   * @default false
   */
  readonly sideNetwork?: boolean;
}

export type EncoderConfig = SwinConfig | MobileNetV2Config;

/** The tagging head: a BERT-like decoder without self-attention (Query2Label, arXiv 2107.10834). */
export interface HeadConfig {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediate: number;
}

/** Sizes of a RAM++ ("ram_plus") or RAM ("ram") network. */
export interface RamConfig {
  readonly modelType: "ram_plus" | "ram";
  readonly encoder: EncoderConfig;
  /** Width of the space that tag descriptions and projected image tokens share. */
  readonly textWidth: number;
  readonly tags: number;
  /** Descriptions of each tag; 1 in RAM. */
  readonly descriptions: number;
  readonly head: HeadConfig;
  /**
   * Add the similarity of the image and each reweighted description, scaled, and a bias of each tag to the head's logits.
   * The published models do not.
   */
  readonly similarity: boolean;
  /**
   * Add to the tags' logits those of a linear classifier on the encoder's mean feature, the side network's where there is one: what was pretrained
   * to tell more classes apart than the shared space is wide goes on telling them. The published models do not.
   * @default false
   */
  readonly classifier?: boolean;
}

/** Whether an encoder has a side network. */
export const hasSideNetwork = (c: EncoderConfig): boolean => c.kind === "mobilenet_v2" && c.sideNetwork === true;

/** Width of the encoder's tokens. */
export function encoderWidth(c: EncoderConfig): number {
  return c.kind === "swin" ? c.embedWidth * 2 ** (c.depths.length - 1) : hasSideNetwork(c) ? 2 * 1280 : 1280;
}

/** Width of the mean feature that a classifier sees. */
export function featureWidth(c: EncoderConfig): number {
  return hasSideNetwork(c) ? encoderWidth(c) / 2 : encoderWidth(c);
}

/** Tokens of a photo: the pooled one, and one for each place. */
export function tokenCount(c: EncoderConfig): number {
  return 1 + encoderGrid(c) ** 2;
}

/** Rows of `image_embeds`, each as wide as the shared space: the tokens', and where the network has a classifier the mean feature, cut into as many as it takes. */
export function embedRows({ encoder, textWidth, classifier }: Pick<RamConfig, "encoder" | "textWidth" | "classifier">): number {
  return tokenCount(encoder) + (classifier === true ? featureWidth(encoder) / textWidth : 0);
}

/** Side of the grid of tokens that the encoder gives. */
export function encoderGrid(c: EncoderConfig): number {
  return c.kind === "swin" ? c.imageSize / c.patchSize / 2 ** (c.depths.length - 1) : c.imageSize / 32;
}

/** The window and shift of a Swin block: where the window is at least the stage's side it is the side, and nothing shifts. */
export function blockWindow(c: SwinConfig, stage: number, block: number): { side: number; window: number; shift: number } {
  const side = c.imageSize / c.patchSize / 2 ** stage;
  if (c.window >= side) return { side, window: side, shift: 0 };
  return { side, window: c.window, shift: block % 2 === 1 ? Math.floor(c.window / 2) : 0 };
}

/** Swin-L at 384 pixels with the published 4,585 tags of 51 descriptions: RAM++ as released. */
export const publishedRamPlus: RamConfig = {
  modelType: "ram_plus",
  encoder: { kind: "swin", imageSize: 384, patchSize: 4, embedWidth: 192, depths: [2, 2, 18, 2], heads: [6, 12, 24, 48], window: 12 },
  textWidth: 512,
  tags: 4585,
  descriptions: 51,
  head: { width: 768, layers: 2, heads: 4, intermediate: 3072 },
  similarity: false,
};
