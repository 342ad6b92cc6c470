import { createHash } from "node:crypto";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { isIgnoredByClipText, withClipNames } from "../checkpoint/clip-names.js";
import { assertWeightsMatch } from "../checkpoint/match-weights.js";
import { openCheckpoint } from "../checkpoint/open-checkpoint.js";
import { toFloat32 } from "../checkpoint/to-float32.js";
import { Params } from "../graph/params.js";
import { clipTextGraph, type ClipTextConfig } from "../model/clip-text.js";
import { writeOnnx, type Weights } from "../onnx/write-onnx.js";
import type { Device } from "../runtime/device.js";
import { openSession, type RuntimeSession } from "../runtime/session.js";
import { int64 } from "../tensor/tensor.js";
import { readClipMerges } from "../vocab/clip-merges.js";
import { clipTokenizer, type ClipTokenizer } from "../vocab/clip-tokenizer.js";
import { readText } from "../vocab/read-text.js";
import { VocabularyError } from "../vocab/vocabulary-error.js";
import { clipTextConfig } from "./clip-text-config.js";
import { ConvertError } from "./convert-error.js";
import { inferenceGraph } from "./inference-graph.js";

export interface TextEncoderOptions {
  /** @default "auto" */
  readonly device?: Device;
  /** CPU threads. @default all cores */
  readonly threads?: number;
  /** Told once, in a line for people, when the slower WebAssembly runs because the native runtime is not installed. */
  readonly onNotice?: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface EncodeOptions {
  /** Cut texts of more than 77 tokens, as RAM++ does with descriptions; else they are an error. */
  readonly truncate: boolean;
  readonly signal?: AbortSignal;
  /** Told how many texts are encoded. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Texts tokenised and sorted together: bounds what is kept, and leaves the event loop free between. */
const windowTexts = 1024;
/** Tokens that go through the network at once, padding included: 2,048 took a tenth more time for each text on a CPU (bench/text-encoder.ts). */
const runTokens = 8 * 77;

/** CLIP's text encoder: texts to vectors of unit length, in the space of the tags' descriptions. */
export class TextEncoder implements AsyncDisposable {
  private constructor(
    /**
     * What the vectors depend on, as a sha256: weights as float32 under Hugging Face's names, sizes and merges. Equal for the same
     * encoder in OpenAI's and in Hugging Face's form, and in half and in full precision where the values are equal.
     */
    readonly id: string,
    /** Length of the vectors. */
    readonly width: number,
    private readonly context: number,
    private readonly tokenizer: ClipTokenizer,
    private readonly session: RuntimeSession,
    private readonly scratch: string,
  ) {}

  /**
   * Opens a text encoder: a folder with `model.safetensors` or `pytorch_model.bin` (CLIP under Hugging Face's or OpenAI's
   * names, the image encoder may be there too), `merges.txt` or `bpe_simple_vocab_16e6.txt.gz`, and `config.json` where the
   * attention heads are not 64 wide; or such a file of weights by its own path, with the others beside it. Throws a ConvertError
   * (no-text-encoder, unknown-architecture), a CheckpointError naming every tensor at fault, a VocabularyError for the merges,
   * a RuntimeError, and the signal's reason when aborted.
   */
  static async load(folder: string, { signal, ...running }: TextEncoderOptions = {}): Promise<TextEncoder> {
    const file = await findWeights(folder);
    const merges = await readClipMerges(dirname(file));
    const json = await readConfig(join(dirname(file), "config.json"));
    await using opened = await openCheckpoint(file);
    const checkpoint = withClipNames(opened);
    const config = clipTextConfig(file, new Map([...checkpoint.tensors].map(([name, { shape }]) => [name, shape])), json);
    const scratch = await mkdtemp(join(tmpdir(), "ramplus-text-"));
    try {
      const graph = join(scratch, "text_model.onnx");
      const weightsId = await writeTextModel(graph, checkpoint, config, signal);
      const session = await openSession({ file: graph }, running);
      // The session has read it all; where the system keeps files of a session from being removed, `dispose` removes them.
      await rm(scratch, { recursive: true, force: true }).catch(() => undefined);
      const tokenizer = clipTokenizer(merges);
      const id = createHash("sha256").update(`${weightsId} ${tokenizer.id} ${config.heads} ${config.activation} ${config.epsilon}`).digest("hex");
      return new TextEncoder(id, config.embedWidth, config.context, tokenizer, session, scratch);
    } catch (error) {
      await rm(scratch, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    }
  }

  /**
   * The texts' vectors, row by row: [texts, width], each of unit length. Throws a VocabularyError (text-too-long) for a text
   * that may not be cut, a RuntimeError, and the signal's reason when aborted.
   */
  async encode(texts: readonly string[], { truncate, signal, onProgress }: EncodeOptions): Promise<Float32Array> {
    const rows = new Float32Array(texts.length * this.width);
    for (let start = 0; start < texts.length; start += windowTexts) {
      const tokens = texts.slice(start, start + windowTexts).map((text) => this.tokenizer.encode(text, { truncate, context: this.context }));
      let done = start;
      for (const batch of batchesByLength(tokens)) {
        signal?.throwIfAborted();
        const vectors = await this.run(batch.map((i) => tokens[i]!), signal);
        batch.forEach((i, row) => rows.set(unitLength(vectors.subarray(row * this.width, (row + 1) * this.width)), (start + i) * this.width));
        onProgress?.((done += batch.length), texts.length);
      }
    }
    return rows;
  }

  private async run(texts: readonly (readonly number[])[], signal: AbortSignal | undefined): Promise<Float32Array> {
    const length = Math.max(...texts.map((ids) => ids.length));
    // What follows a text's end token is not seen by it: any id below the end token's will do.
    const ids = texts.flatMap((text) => [...text, ...new Array<number>(length - text.length).fill(0)]);
    const feeds = { input_ids: int64([texts.length, length], ids), position_ids: int64([length], Array.from({ length }, (_, i) => i)) };
    const { text_embeds } = await this.session.run(feeds, signal === undefined ? {} : { signal });
    return text_embeds!.data as Float32Array;
  }

  /** Frees the encoder and ends its thread; may be called again. */
  async dispose(): Promise<void> {
    await this.session.dispose();
    await rm(this.scratch, { recursive: true, force: true }).catch(() => undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** Indices of texts in batches, texts of like length together. */
function batchesByLength(texts: readonly (readonly number[])[]): number[][] {
  const order = texts.map((_, i) => i).sort((a, b) => texts[a]!.length - texts[b]!.length);
  const batches: number[][] = [];
  for (const i of order) {
    const last = batches.at(-1);
    // In rising order the newest text is the longest of its batch.
    if (last === undefined || (last.length + 1) * texts[i]!.length > runTokens) batches.push([i]);
    else last.push(i);
  }
  return batches;
}

function unitLength(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, v) => sum + v * v, 0));
  if (!(length > 0 && length < Infinity)) throw new ConvertError("bad-weights", `the text encoder gives a vector of length ${length}: its weights are damaged`);
  return vector.map((v) => v / length);
}

async function findWeights(path: string): Promise<string> {
  const isFile = async (file: string): Promise<boolean> => (await stat(file).catch(() => null))?.isFile() === true;
  if (await isFile(path)) return path;
  for (const name of ["model.safetensors", "pytorch_model.bin"]) if (await isFile(join(path, name))) return join(path, name);
  throw new ConvertError("no-text-encoder", `${path}: no model.safetensors and no pytorch_model.bin: expected the folder of a CLIP model such as openai/clip-vit-base-patch16`);
}

async function readConfig(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readText(file));
  } catch (cause) {
    if (cause instanceof VocabularyError && cause.code === "not-found") return null;
    if (cause instanceof VocabularyError) throw cause;
    throw new ConvertError("unknown-architecture", `${file}: is not JSON: ${(cause as Error).message}`);
  }
}

/** Writes the graph, one weight in memory at a time; gives a sha256 over names, shapes and values of the weights. */
async function writeTextModel(file: string, checkpoint: Checkpoint, config: ClipTextConfig, signal: AbortSignal | undefined): Promise<string> {
  const p = Params.root();
  const outputs = clipTextGraph(p, config);
  assertWeightsMatch(checkpoint, new Map(p.list().map(({ name, shape }) => [name, shape])), { ignore: isIgnoredByClipText });
  const digests = new Map<string, string>();
  const weights: Weights = async (name) => {
    signal?.throwIfAborted();
    const tensor = toFloat32(await checkpoint.tensors.get(name)!.read());
    const bytes = new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
    digests.set(name, `${name} [${tensor.shape.join()}] ${createHash("sha256").update(bytes).digest("hex")}`);
    return tensor;
  };
  const ready = inferenceGraph({ ...outputs }, weights, "fp32");
  await writeOnnx(file, ready.outputs, ready.weights);
  return createHash("sha256").update([...digests.values()].sort().join("\n")).digest("hex");
}
