import type { EncoderConfig, HeadConfig } from "../model/config.js";
import { showJson } from "../json.js";
import { TrainError } from "./train-error.js";

/** Photos to train on. */
export interface TrainSource {
  /** "set": tar shards with labels.json. "folder": a subfolder for each class. "list": the reference's training JSON, photos beside it. "photos": a folder with a file of labels. */
  readonly kind: "set" | "folder" | "list" | "photos";
  readonly path: string;
  /** The file of labels (`readLabelFile`), for "photos"; for a "set", of further labels of some of its photos (`readFurtherLabels`), where there are such. */
  readonly labels?: string;
  /** At most so many of its photos, drawn by the seed. */
  readonly limit: number | null;
  /** Read a set's captions as tags too. */
  readonly captions?: boolean;
  /** Look at the pixels for colours, "black and white", "bright" and "dark". */
  readonly pixels?: boolean;
  /** How often each of its photos is seen where one of another source is seen once. @default 1 */
  readonly repeat?: number;
  /** Let the configuration's `proposer` say what its labels do not. */
  readonly proposals?: boolean;
}

/** One phase of training: a step graph and how long it runs. */
export interface TrainPhase {
  readonly name: string;
  /** "tokens" trains on the start's kept encoder output, "pixels" the encoder too, on augmented photos; "embeds", of the library alone, on a model folder's image embeddings. */
  readonly from: "tokens" | "pixels" | "embeds";
  readonly steps: number;
  readonly batch: number;
  /** Tags drawn at each step. */
  readonly drawnTags: number;
  /** Tags, by name, of which alone labels count; none: all. Rows of others get no gradient (but decay, where there is a `weightDecay`). */
  readonly tags: readonly string[];
  readonly rate: number;
  readonly warmup: number;
  /** Multipliers of the rate by the beginning of a parameter's name, the longest that fits; 0 freezes. Others train at the rate. */
  readonly rateScales: Readonly<Record<string, number>>;
  readonly weightDecay: number;
  readonly clipNorm: number | null;
  readonly stochasticDepth: number;
  /** The reference's two random operations after crop and flip, for phases from pixels. */
  readonly augment: boolean;
  /** Weight of the absence of a tag that some source decides, on the photos whose labels and proposals say nothing of it; 0: no loss. */
  readonly silence: number;
  /** What the proposer looks at, for phases from pixels: "kept", each whole photo, once; "crops", every crop as the network sees it. */
  readonly proposals: "kept" | "crops";
  /** Side of the pictures trained on, for phases from pixels of an encoder without weights that depend on it; null: the model's. */
  readonly imageSize: number | null;
  /** Least share of a photo's area that a random crop shows, for phases from pixels. */
  readonly cropArea: number;
  /** Validations, one at each saving, without a better one after which the phase ends; its best weights are kept. 0: all steps, the last weights. */
  readonly patience: number;
  /** Decay a step of an exponential moving average of the weights, which takes their place at the end of the phase where it validates better; 0: none. */
  readonly ema: number;
  readonly losses: { readonly tagging: number; readonly distillation: number; readonly classDistillation: number; readonly tagAlignment: number; readonly retention: number };
}

/** What `ramplus train` reads. Paths are relative to the file's folder. */
export interface TrainConfig {
  readonly model: { readonly encoder: EncoderConfig; readonly textWidth: number; readonly descriptions: number; readonly head: HeadConfig; readonly similarity: boolean; readonly classifier?: boolean };
  readonly vocabulary: string;
  /**
   * Folder of the classifier to start from (weights.safetensors, classes.json), or null: fresh weights. With `weights` of a network without
   * a side network, or without a classifier of its own, where the model has one: what this begins with.
   */
  readonly classifier: string | null;
  /** Weights to go on from: another run's state (.safetensors), or a model folder, whose tags keep their rows by name. */
  readonly weights: string | null;
  /** Weights to mix into these: (1 - share) of `weights`, `share` of these. Null: none. `shares` are those of parameters by the beginning of their names, the longest that fits; of what has rows for tags only those of `tags`, by name, are mixed, or all where none are named. Between a model and what was trained from it, what was learnt stays and what was forgotten returns (Wortsman et al. 2022, arXiv 2109.01903). */
  readonly blend: { readonly with: string; readonly share: number; readonly shares: Readonly<Record<string, number>>; readonly tags: readonly string[] } | null;
  /** Weights whose image embeddings distillation holds to; null: those that the run starts from. */
  readonly teacher: string | null;
  /** Folder of a classifier whose probabilities are the targets of tags that labels say nothing of, for sources with `proposals`. */
  readonly proposer: string | null;
  readonly sources: readonly TrainSource[];
  /** Tags, by name, whose labels are not looked at: they are known by their descriptions alone. */
  readonly leaveOut: readonly string[];
  /** Files of label changes, as the data engine writes them, applied in turn to the photos trained on; those kept out keep their labels. */
  readonly changes: readonly string[];
  /** Share of each source's training photos kept out for calibration. */
  readonly heldOut: number;
  readonly phases: readonly TrainPhase[];
  readonly normalisation: { readonly mean: readonly [number, number, number]; readonly std: readonly [number, number, number] };
  readonly seed: number;
  readonly logEvery: number;
  readonly saveEvery: number;
}

type Json = Record<string, unknown>;

/** Reads fields of one JSON object, naming the path of what is wrong. */
class Fields {
  private readonly seen = new Set<string>();
  constructor(
    private readonly json: Json,
    private readonly path: string,
  ) {}

  static of(value: unknown, path: string): Fields {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TrainError("bad-train-config", `${path}: expected an object`);
    return new Fields(value as Json, path);
  }

  get(key: string): unknown {
    this.seen.add(key);
    return this.json[key];
  }

  private fail(key: string, expected: string): never {
    throw new TrainError("bad-train-config", `${this.path}.${key}: expected ${expected}, received ${showJson(this.json[key])}`);
  }

  number(key: string, fallback?: number, check: (v: number) => boolean = (v) => v >= 0): number {
    const value = this.get(key) ?? fallback;
    return typeof value === "number" && Number.isFinite(value) && check(value) ? value : this.fail(key, "a number of 0 or more");
  }

  count(key: string, fallback?: number): number {
    const value = this.get(key) ?? fallback;
    return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : this.fail(key, "a whole number above 0");
  }

  counts(key: string): number[] {
    const value = this.get(key);
    return Array.isArray(value) && value.every((v) => Number.isSafeInteger(v) && v > 0) ? (value as number[]) : this.fail(key, "a list of whole numbers above 0");
  }

  text(key: string): string {
    const value = this.get(key);
    return typeof value === "string" && value !== "" ? value : this.fail(key, "a text");
  }

  choice<T extends string>(key: string, choices: readonly T[]): T {
    const value = this.get(key);
    return choices.find((c) => c === value) ?? this.fail(key, choices.map((c) => `"${c}"`).join(" or "));
  }

  triple(key: string, fallback: readonly [number, number, number]): [number, number, number] {
    const value = this.get(key) ?? fallback;
    return Array.isArray(value) && value.length === 3 && value.every((v) => typeof v === "number") ? (value as [number, number, number]) : this.fail(key, "three numbers");
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.get(key) ?? fallback;
    return typeof value === "boolean" ? value : this.fail(key, "true or false");
  }

  texts(key: string): string[] {
    const value = this.get(key) ?? [];
    return Array.isArray(value) && value.every((v) => typeof v === "string") ? (value as string[]) : this.fail(key, "a list of texts");
  }

  list<T>(key: string, parse: (fields: Fields) => T): T[] {
    const value = this.get(key);
    if (!Array.isArray(value) || value.length === 0) this.fail(key, "a list with at least one entry");
    return value.map((entry, i) => Fields.of(entry, `${this.path}.${key}[${i}]`).whole(parse));
  }

  object(key: string, fallback?: Json): Fields {
    return Fields.of(this.get(key) ?? fallback, `${this.path}.${key}`);
  }

  numbers(key: string, check: (v: number) => boolean = () => true): Record<string, number> {
    const value = this.get(key) ?? {};
    const ok = typeof value === "object" && value !== null && Object.values(value).every((v) => typeof v === "number" && v >= 0 && check(v));
    return ok ? (value as Record<string, number>) : this.fail(key, "an object of numbers");
  }

  /** Parses, then refuses fields that nobody asked for: a misspelt option must not be ignored. */
  whole<T>(parse: (fields: Fields) => T): T {
    const result = parse(this);
    const extra = Object.keys(this.json).filter((key) => !this.seen.has(key));
    if (extra.length > 0) throw new TrainError("bad-train-config", `${this.path}: unknown field ${extra.join(", ")}; known here: ${[...this.seen].join(", ")}`);
    return result;
  }
}

function parseEncoder(f: Fields): EncoderConfig {
  if (f.choice("kind", ["mobilenet_v2", "swin"]) === "mobilenet_v2") return { kind: "mobilenet_v2", imageSize: f.count("imageSize"), ...(f.boolean("sideNetwork", false) && { sideNetwork: true }) };
  return {
    kind: "swin",
    imageSize: f.count("imageSize"),
    patchSize: f.count("patchSize", 4),
    embedWidth: f.count("embedWidth"),
    depths: f.counts("depths"),
    heads: f.counts("heads"),
    window: f.count("window"),
  };
}

/** A source is written as `{"set": PATH}`, with `"labels": FILE` where there are further labels, `{"folder": PATH}`, `{"list": PATH}` or `{"photos": PATH, "labels": FILE}`. */
function parseSource(f: Fields): TrainSource {
  const limit = f.get("limit") == null ? null : f.count("limit");
  const common = { limit, pixels: f.boolean("pixels", false), repeat: f.count("repeat", 1), ...(f.boolean("proposals", false) && { proposals: true }) };
  if (f.get("folder") !== undefined) return { kind: "folder", path: f.text("folder"), captions: false, ...common };
  if (f.get("photos") !== undefined) return { kind: "photos", path: f.text("photos"), labels: f.text("labels"), captions: false, ...common };
  if (f.get("list") !== undefined) return { kind: "list", path: f.text("list"), captions: false, ...common };
  return { kind: "set", path: f.text("set"), ...(f.get("labels") != null && { labels: f.text("labels") }), captions: f.boolean("captions", false), ...common };
}

function parsePhase(f: Fields): TrainPhase {
  return {
    name: f.text("name"),
    from: f.choice("from", ["tokens", "pixels"]),
    steps: f.count("steps"),
    batch: f.count("batch"),
    drawnTags: f.count("drawnTags"),
    tags: f.texts("tags"),
    rate: f.number("rate"),
    warmup: f.number("warmup", 0),
    rateScales: f.numbers("rateScales"),
    weightDecay: f.number("weightDecay", 0.05),
    clipNorm: f.get("clipNorm") === null ? null : f.number("clipNorm", 1),
    stochasticDepth: f.number("stochasticDepth", 0, (v) => v >= 0 && v < 1),
    augment: f.boolean("augment", false),
    silence: f.number("silence", 0, (v) => v >= 0 && v < 1),
    proposals: f.get("proposals") == null ? "kept" : f.choice("proposals", ["kept", "crops"]),
    imageSize: f.get("imageSize") == null ? null : f.count("imageSize"),
    cropArea: f.number("cropArea", 0.35, (v) => v > 0 && v <= 1),
    patience: f.number("patience", 0, (v) => Number.isInteger(v) && v >= 0),
    ema: f.number("ema", 0, (v) => v >= 0 && v < 1),
    losses: f.object("losses").whole((l) => ({ tagging: l.number("tagging", 0), distillation: l.number("distillation", 0), classDistillation: l.number("classDistillation", 0), tagAlignment: l.number("tagAlignment", 0), retention: l.number("retention", 0) })),
  };
}

function parseSizes(m: Fields): TrainConfig["model"] {
  return {
    encoder: m.object("encoder").whole(parseEncoder),
    textWidth: m.count("textWidth"),
    descriptions: m.count("descriptions"),
    head: m.object("head").whole((h) => ({ width: h.count("width"), layers: h.count("layers"), heads: h.count("heads"), intermediate: h.count("intermediate") })),
    similarity: m.boolean("similarity", false),
    ...(m.boolean("classifier", false) && { classifier: true }),
  };
}

/** The sizes of a network as a model folder has them. Throws a TrainError naming the field that is wrong. */
export function parseNetwork(json: unknown, file: string): TrainConfig["model"] {
  const { modelType: _type, tags: _tags, ...sizes } = typeof json === "object" && json !== null ? (json as Json) : {};
  return Fields.of(sizes, file).whole(parseSizes);
}

/** Checks a training configuration. Throws a TrainError naming the field that is wrong. */
export function parseTrainConfig(json: unknown, file: string): TrainConfig {
  return Fields.of(json, file).whole((f) => ({
    model: f.object("model").whole(parseSizes),
    vocabulary: f.text("vocabulary"),
    classifier: f.get("classifier") == null ? null : f.text("classifier"),
    weights: f.get("weights") == null ? null : f.text("weights"),
    blend: f.get("blend") == null ? null : f.object("blend").whole((b) => ({ with: b.text("with"), share: b.number("share", undefined, (v) => v >= 0 && v <= 1), shares: b.numbers("shares", (v) => v <= 1), tags: b.texts("tags") })),
    teacher: f.get("teacher") == null ? null : f.text("teacher"),
    proposer: f.get("proposer") == null ? null : f.text("proposer"),
    sources: f.list("sources", parseSource),
    leaveOut: f.texts("leaveOut"),
    changes: f.texts("changes"),
    heldOut: f.number("heldOut", 0.05, (v) => v >= 0 && v < 1),
    phases: f.list("phases", parsePhase),
    normalisation: f
      .object("normalisation", {})
      // Training in the reference uses CLIP's constants.
      .whole((n) => ({ mean: n.triple("mean", [0.48145466, 0.4578275, 0.40821073]), std: n.triple("std", [0.26862954, 0.26130258, 0.27577711]) })),
    seed: f.number("seed", 1),
    logEvery: f.count("logEvery", 50),
    saveEvery: f.count("saveEvery", 500),
  }));
}

/** What is given for a parameter by the longest beginning of its name that fits, else `otherwise`. */
export function byBeginning(given: Readonly<Record<string, number>>, otherwise: number): (name: string) => number {
  const prefixes = Object.keys(given).sort((a, b) => b.length - a.length);
  return (name) => {
    const prefix = prefixes.find((p) => name.startsWith(p));
    return prefix === undefined ? otherwise : given[prefix]!;
  };
}

/** How much faster or slower than the learning rate a parameter trains in a phase. */
export function rateScaleOf(phase: TrainPhase): (name: string) => number {
  const scale = byBeginning(phase.rateScales, 1);
  return (name) => (phase.from === "tokens" && name.startsWith("visual_encoder.") ? 0 : scale(name));
}
