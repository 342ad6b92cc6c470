import { verifyBankGraph, type BankGraphReport } from "../bundle/verify-graphs.js";
import { bankGraphFile, type ModelFolder } from "../bundle/model-folder.js";
import { modelId } from "../bundle/model-id.js";
import type { Precision } from "../bundle/model-config.js";
import type { SessionOptions } from "../runtime/device.js";
import { openSession, type RunOptions, type RuntimeSession } from "../runtime/session.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import { descriptionsOf, meanRow, originText, type BankTag, type TagBank } from "../vocab/tag-bank.js";
import { VocabularyError } from "../vocab/vocabulary-error.js";

/** Tags of a bank as the graph takes them. */
interface BankPart {
  /** Tags in `feeds`, and those of them that count. */
  readonly given: number;
  readonly tags: number;
  readonly feeds: Readonly<Record<string, Tensor<"float32">>>;
}

/** Bytes of rows that go through the graph at once. */
const largestPart = 32 * 1024 * 1024;
/** Tags that go through the head at once: its widest vectors are what takes memory, for each photo and tag. */
const mostTags = 1024;

/** Added before the softmax to descriptions that a tag lacks: their weight is exactly 0. */
const absent = -1e9;

/** The head of a model with tags of banks. Holds memory and a thread until disposed. */
export class BankRunner implements AsyncDisposable {
  private readonly parts = new WeakMap<TagBank, Promise<readonly BankPart[]>>();
  private id: Promise<string> | null = null;

  private constructor(
    private readonly model: ModelFolder,
    private readonly session: RuntimeSession,
    private readonly graph: BankGraphReport,
  ) {}

  /** Whether the model learned its descriptions itself, with a bias of each tag: then no text encoder makes rows for it. */
  get biased(): boolean {
    return this.graph.biased;
  }

  /** Opens the model's graph for banks. Throws a BundleError where it has none or it is damaged, a RuntimeError. */
  static async open(model: ModelFolder, dtype: Precision, options: SessionOptions): Promise<BankRunner> {
    const verified = verifyBankGraph(model, dtype);
    const session = await openSession({ file: bankGraphFile(model.folder, dtype) }, { ...options, after: verified });
    return new BankRunner(model, session, await verified);
  }

  /**
   * Logits [photos, tags of the bank], row by row, from `image_embeds` [photos, rows, W]. Throws a VocabularyError for a bank
   * that is not for this model: wrong-encoder, wrong-model.
   */
  async logits(imageEmbeds: Tensor, bank: TagBank, options: RunOptions = {}): Promise<Float32Array> {
    const photos = imageEmbeds.shape[0]!;
    const logits = new Float32Array(photos * bank.tags.length);
    let start = 0;
    for (const { given, tags, feeds } of await this.partsOf(bank)) {
      const { logits: part } = await this.session.run({ image_embeds: imageEmbeds, ...feeds }, options);
      for (let photo = 0; photo < photos; photo++) logits.set((part!.data as Float32Array).subarray(photo * given, photo * given + tags), photo * bank.tags.length + start);
      start += tags;
    }
    return logits;
  }

  private partsOf(bank: TagBank): Promise<readonly BankPart[]> {
    const made = this.parts.get(bank) ?? this.makeParts(bank);
    this.parts.set(bank, made);
    return made;
  }

  private async makeParts(bank: TagBank): Promise<readonly BankPart[]> {
    const { width, rows, biased } = this.graph;
    if (bank.width !== width) throw new VocabularyError("wrong-encoder", bank.name, `its rows have ${bank.width} values, made by ${originText(bank)}; the model ${this.model.folder} takes ${width}: build the bank with the text encoder that belongs to the model`);
    if (bank.origin.kind === "model") {
      this.id ??= modelId(this.model);
      if ((await this.id) !== bank.origin.id) throw new VocabularyError("wrong-model", bank.name, `belongs to the model ${bank.origin.id.slice(0, 12)}, not to ${this.model.folder} (${(await this.id).slice(0, 12)}): teach its tags again with this model`);
    } else if (biased) {
      throw new VocabularyError("wrong-model", bank.name, `was made by a text encoder; the descriptions of ${this.model.folder} were learned without one: teach it from photos (\`ramplus teach\`), or use an official model`);
    }
    const parts: BankPart[] = [];
    const most = rows === "one" ? 1 : bank.tags.reduce((max, tag) => Math.max(max, descriptionsOf(bank, tag)), 1);
    const length = Math.max(1, Math.min(mostTags, Math.floor(largestPart / (4 * width * most))));
    for (let start = 0; start < bank.tags.length; start += length) {
      const own = bank.tags.slice(start, start + length);
      // A single row goes another way through ONNX Runtime, to other last bits than the same row among others.
      const tags = own.length === 1 ? [own[0]!, own[0]!] : own;
      parts.push({ given: tags.length, tags: own.length, feeds: rows === "one" ? { label_embed: meanRows(tags, width) } : { ...paddedRows(tags, width), ...(biased && { label_bias: biases(tags) }) } });
    }
    return parts;
  }

  dispose(): Promise<void> {
    return this.session.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** RAM's table: one row a tag. */
function meanRows(tags: readonly BankTag[], width: number): Tensor<"float32"> {
  const data = new Float32Array(tags.length * width);
  tags.forEach((tag, i) => data.set(meanRow(tag.rows, width), i * width));
  return { dtype: "float32", shape: [tags.length, width], data };
}

/** RAM++'s: rows filled up to the most that one of the tags has, and the mask that leaves the filling out. */
function paddedRows(tags: readonly BankTag[], width: number): { label_embed: Tensor<"float32">; label_mask: Tensor<"float32"> } {
  const most = tags.reduce((max, tag) => Math.max(max, tag.rows.length / width), 1);
  const [embed, mask] = [new Float32Array(tags.length * most * width), new Float32Array(tags.length * most)];
  tags.forEach(({ rows }, i) => {
    embed.set(rows, i * most * width);
    mask.fill(absent, i * most + rows.length / width, (i + 1) * most);
  });
  return { label_embed: { dtype: "float32", shape: [tags.length, most, width], data: embed }, label_mask: { dtype: "float32", shape: [tags.length, most], data: mask } };
}

function biases(tags: readonly BankTag[]): Tensor<"float32"> {
  return float32([tags.length], tags.map(({ bias }) => bias ?? 0));
}
