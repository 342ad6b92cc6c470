import { abs, add, cast, mul, stopGradient, sub } from "../graph/ops/elementwise.js";
import { gather } from "../graph/ops/gather.js";
import { gradients } from "../graph/gradient.js";
import { Params, type ParameterSpec } from "../graph/params.js";
import { reduceMean, reduceSum } from "../graph/ops/reduce.js";
import { reshape, slice, squeeze } from "../graph/ops/structure.js";
import { mergeEqual, rewrite } from "../graph/rewrite.js";
import { input, scalar, type Value } from "../graph/value.js";
import { embedRows, tokenCount, type RamConfig } from "../model/config.js";
import { allLabels, encode, projectedTokens, projectTokens, tagLogits, tokenWidth, type LabelRows } from "../model/ram-plus.js";
import { globalEmbedding } from "../model/reweight.js";
import { taggingHead } from "../model/tagging-head.js";
import { clipFactor, globalNorm, type AdamWConfig } from "./adamw.js";
import { stepScalars, updateOutputs } from "./adamw-step.js";
import { proposerScope } from "./class-probabilities.js";
import { cropProposals, type CropProposals } from "./crop-proposals.js";
import { alignmentAsymmetry, asymmetricLoss, classDistillationLoss, distillationLoss, tagAlignmentLoss, taggingAsymmetry } from "./losses.js";

/** Weights of the loss terms; a term of weight 0 is not built. */
export interface LossWeights {
  /** Asymmetric loss of the tags, summed over photos and tags. */
  readonly tagging: number;
  /** Asymmetric loss of photo-text pairs within the batch, from given text embeddings. */
  readonly textAlignment: number;
  /** L1 from the image embedding to a given feature. */
  readonly distillation: number;
  /** Cross entropy with a classifier's softened probabilities (input `class_targets` [B, T]) over the tags that it is asked about (`asked` [B, T]). */
  readonly classDistillation: number;
  /** Softmax alignment of the image embedding with mean tag embeddings. */
  readonly tagAlignment: number;
  /**
   * What keeps tags as they were where nothing is known of them, summed: with the similarity term the size of the head's own
   * logit; without it, the distance from the start's logit (input `start_logits` [B, T]).
   */
  readonly retention: number;
}

/** What one training step is built for. */
export interface StepConfig {
  readonly model: RamConfig;
  readonly batch: number;
  /** Tags drawn for each step; null: all of them. Tags do not see each other, so a step on some of them is exact for these. */
  readonly drawnTags: number | null;
  /**
   * "pixels": [B, 3, S, S] through the encoder. "tokens": the encoder's kept output, and the encoder does not train. "embeds":
   * the kept output of `image_proj`, which does not train either.
   */
  readonly from: "pixels" | "tokens" | "embeds";
  readonly losses: LossWeights;
  /** Classes of the classifier that says of the step's own photos what labels do not (`cropProposals`), for steps from pixels; null: targets have it. */
  readonly proposerClasses: number | null;
  /**
   * Of the label table and the classifier only the rows train for which the input `tag_trains` [T] is 1. AdamW's steps do not shrink with a gradient that
   * is small and seldom there, which would carry rows off of which nothing is known.
   */
  readonly chosenRows: boolean;
  /** Whether a parameter trains, and how much faster or slower than the learning rate; 0: frozen. */
  readonly rateScale: (name: string) => number;
  /** Highest drop probability of stochastic depth, reached linearly at the last branch (Huang et al. 2016). */
  readonly stochasticDepth: number;
  readonly optimizer: AdamWConfig;
  /** Largest global norm of the gradients; null: no clipping. */
  readonly clipNorm: number | null;
}

/** A training step as one graph. Inputs besides the parameters and their moments are in `inputs`. */
export interface StepGraph {
  /** `loss`, its terms, `gradient_norm`, and for each trained parameter NAME `next/NAME`, `next/momentum/NAME`, `next/variance/NAME`. */
  readonly outputs: Readonly<Record<string, Value>>;
  /** Every parameter of the network, and of the proposer that looks at crops, in the order of its use. */
  readonly parameters: readonly ParameterSpec[];
  /** Names of those that train. */
  readonly trained: readonly string[];
  /** Branches that stochastic depth scales: the size of the input `branch_scale` [branches, B]; 0 where there is none. */
  readonly branches: number;
}

/** The forward part with its loss, before gradients; also what a parity test looks into. */
export interface ForwardGraph {
  readonly loss: Value;
  readonly terms: Readonly<Record<string, Value>>;
  readonly imageEmbeds: Value;
  readonly logits: Value;
  readonly alignmentLogits: Value | null;
  readonly branches: number;
}

/** Rows `ids` of the label table, of the tags' biases and of the classifier. */
function drawLabels(all: LabelRows, ids: Value): LabelRows {
  return { embed: gather(all.embed, ids), bias: all.bias === null ? null : gather(all.bias, ids), ...(all.classifier !== undefined && { classifier: gather(all.classifier, ids) }) };
}

function pixelValues({ encoder: { imageSize } }: RamConfig, batch: number): Value {
  return input("pixel_values", "float32", [batch, 3, imageSize, imageSize]);
}

/** What is known of the drawn tags, [batch, tags]: as it is given, or with what a classifier says of the step's photos. */
function targetsOf(p: Params, { model, batch, drawnTags, proposerClasses }: StepConfig, tagIds: Value): CropProposals {
  const shape = [batch, drawnTags ?? model.tags];
  const [targets, known] = [input("targets", "float32", shape), input("known", "float32", shape)];
  if (proposerClasses !== null) return cropProposals(pixelValues(model, batch), p, model, { classes: proposerClasses, batch, tagIds, targets, known });
  return { targets, known, classTargets: input("class_targets", "float32", shape) };
}

/** `image_embeds` from where the step begins. */
function embedsOf(p: Params, { model, batch, from }: StepConfig, residual: (value: Value, branch: number) => Value): Value {
  switch (from) {
    case "embeds":
      return input("image_embeds", "float32", [batch, embedRows(model), model.textWidth]);
    case "tokens":
      return projectTokens(input("tokens", "float32", [batch, tokenCount(model.encoder), tokenWidth(model)]), p, model);
    case "pixels":
      return projectTokens(encode(pixelValues(model, batch), p, model, { residual }), p, model);
  }
}

/** Rows through which gradients flow where `trains` is 1. */
function trainedRows(rows: Value, trains: Value): Value {
  const share = reshape(cast(trains, "float32"), [rows.shape[0]!, ...rows.shape.slice(1).map(() => 1)]);
  return add(mul(rows, share), mul(stopGradient(rows), sub(scalar(1), share)));
}

/** Labels whose rows train where `trains` is 1; biases of all. */
function chosenLabels({ embed, bias, classifier }: LabelRows, trains: Value): LabelRows {
  return { embed: trainedRows(embed, trains), bias, ...(classifier !== undefined && { classifier: trainedRows(classifier, trains) }) };
}

/** Builds the forward pass in training mode and its loss. */
export function forwardGraph(p: Params, c: StepConfig): ForwardGraph {
  const { model, batch, losses } = c;
  const tags = c.drawnTags ?? model.tags;
  let branches = 0;
  const residual = (value: Value, branch: number): Value => {
    if (c.stochasticDepth === 0) return value;
    branches = Math.max(branches, branch + 1);
    const scale = input(`branch_scale/${branch}`, "float32", [batch]);
    return mul(value, reshape(scale, [batch, ...value.shape.slice(1).map(() => 1)]));
  };
  const imageEmbeds = embedsOf(p, c, residual);
  const tagIds = input("tag_ids", "int64", [tags]);
  const drawn = c.drawnTags === null ? allLabels(p, model) : drawLabels(allLabels(p, model), tagIds);
  const labels = c.chosenRows ? chosenLabels(drawn, input("tag_trains", "uint8", [tags])) : drawn;
  let headLogits: Value | null = null;
  const logits = tagLogits(imageEmbeds, labels, p, model, { observe: (name, value) => (headLogits = name === "head_logits" ? value : headLogits) });
  const { targets, known, classTargets } = targetsOf(p, c, tagIds);

  const terms: Record<string, Value> = {};
  if (losses.tagging > 0) terms["tagging"] = mul(asymmetricLoss(logits, targets, taggingAsymmetry, known), scalar(losses.tagging));
  if (losses.retention > 0 && headLogits !== null) {
    const gone = model.similarity ? headLogits : sub(logits, input("start_logits", "float32", [batch, tags]));
    terms["retention"] = mul(reduceSum(mul(abs(gone), sub(scalar(1), cast(cast(known, "bool"), "float32")))), scalar(losses.retention));
  }
  if (losses.distillation > 0) {
    const pooled = squeeze(slice(imageEmbeds, 1, 0, 1), 1);
    terms["distillation"] = mul(distillationLoss(pooled, input("feature", "float32", [batch, model.textWidth])), scalar(losses.distillation));
  }
  if (losses.classDistillation > 0) {
    terms["class_distillation"] = mul(classDistillationLoss(logits, classTargets, input("asked", "float32", [batch, tags])), scalar(losses.classDistillation));
  }
  let alignmentLogits: Value | null = null;
  if (losses.textAlignment > 0) {
    alignmentLogits = taggingHead(input("text_embeds", "float32", [batch, model.textWidth]), projectedTokens(imageEmbeds, model), p, model.head);
    terms["text_alignment"] = mul(asymmetricLoss(alignmentLogits, input("text_targets", "float32", [batch, batch]), alignmentAsymmetry), scalar(losses.textAlignment));
  }
  if (losses.tagAlignment > 0) {
    const means = reduceMean(reshape(labels.embed, [tags, model.descriptions, model.textWidth]), [1]);
    const logScale = p.get("reweight_scale", [], { kind: "constant", value: Math.log(1 / 0.07) });
    terms["tag_alignment"] = mul(tagAlignmentLoss(globalEmbedding(imageEmbeds), means, stopGradient(logScale), targets, known), scalar(losses.tagAlignment));
  }
  const loss = Object.values(terms).reduce((sum, term) => add(sum, term));
  return { loss, terms, imageEmbeds, logits, alignmentLogits, branches };
}

/**
 * Builds loss, gradients and AdamW updates as one graph. Parameters that train and their moments are inputs; frozen ones stay
 * parameters, which ONNX Runtime packs and fuses as constants.
 */
export function buildStep(c: StepConfig): StepGraph {
  const p = Params.root();
  const { loss, terms, branches } = forwardGraph(p, c);
  const parameters = p.list();
  const candidates = parameters.filter((spec) => !spec.name.startsWith(`${proposerScope}.`) && c.rateScale(spec.name) > 0);
  const found = gradients(
    loss,
    candidates.map((spec) => spec.value),
  );
  const trained = candidates.flatMap((spec, i) => (found[i] === null ? [] : [{ spec, gradient: found[i]! }]));
  const norm = globalNorm(trained.map((t) => t.gradient));
  const factor = c.clipNorm === null ? null : clipFactor(norm, c.clipNorm);
  const scalars = stepScalars();
  const outputs: Record<string, Value> = { loss, gradient_norm: norm };
  for (const [name, term] of Object.entries(terms)) outputs[`term/${name}`] = term;
  for (const { spec, gradient } of trained) Object.assign(outputs, updateOutputs(spec.name, spec.value, factor === null ? gradient : mul(gradient, factor), scalars, c.optimizer, c.rateScale(spec.name)));
  const names = Object.keys(outputs);
  const trains = new Set(trained.map((t) => t.spec.name));
  const merged = mergeEqual(parametersAsInputs(Object.values(outputs), (name) => trains.has(name)));
  return { outputs: Object.fromEntries(names.map((name, i) => [name, merged[i]!])), parameters, trained: [...trains], branches };
}

/** The same graph with every parameter, or those that `which` names, an input of its name. */
export function parametersAsInputs(outputs: readonly Value[], which: (name: string) => boolean = () => true): Value[] {
  return rewrite(outputs, (value) => (value.source?.kind === "parameter" && which(value.source.name) ? input(value.source.name, value.dtype, value.shape) : null));
}
