import { readFile, realpath, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import type { Dim } from "../graph/type.js";
import { OnnxError } from "../onnx/onnx-error.js";
import { outlineOnnx, type OnnxOutline, type OutlinedValue } from "../onnx/outline-onnx.js";
import { formatShape } from "../tensor/shape.js";
import { BundleError } from "./bundle-error.js";
import { bankGraphFile, graphFiles, type ModelFolder } from "./model-folder.js";
import type { Precision } from "./model-config.js";

/** What a graph of a model folder is. */
export interface GraphReport {
  readonly file: string;
  /** Input and output with their sizes; names for those known at run time only. */
  readonly input: OutlinedValue;
  readonly output: OutlinedValue;
  /** Values of its weights; whole numbers that its operators work with (shapes, positions) are not counted. */
  readonly parameters: number;
  /** Bytes of the graph's file and of the weights beside it. */
  readonly bytes: number;
}

/** The graphs of one precision. */
export interface PrecisionReport {
  readonly dtype: Precision;
  readonly vision: GraphReport;
  readonly tagging: GraphReport;
  readonly parameters: number;
  readonly bytes: number;
}

/** Weights lie beside the graph; a graph's own file larger than this is none that this package wrote. */
const largestGraph = 64 * 1024 * 1024;

/** ONNX's numbers of float32 and of the whole numbers that serve as sizes and positions. */
const float32 = 1;
const wholeNumbers: ReadonlySet<number> = new Set([6, 7, 9]);

/**
 * Checks the graphs of a precision by their own files, without the weights: they take and give what the folder's other files
 * say, and what they refer to lies in `onnx/` and is as long as needed. To be asked before ONNX Runtime opens a
 * graph, since that follows what a graph refers to. Throws a BundleError naming the file that is wrong.
 */
export async function verifyGraphs(model: ModelFolder, dtype: Precision): Promise<PrecisionReport> {
  const files = graphFiles(model.folder, dtype);
  const root = await realpath(model.folder);
  const { size } = model.preprocessor;
  const [vision, tagging] = await Promise.all([verifyGraph(files.vision, root, ["pixel_values"], "image_embeds"), verifyGraph(files.tagging, root, ["image_embeds"], "logits")]);
  const pixels = ["batch", 3, size, size];
  if (!fits(vision.input.shape, pixels)) throw new BundleError("bad-graph", files.vision, `takes pixel_values ${formatShape(vision.input.shape)}, but preprocessor_config.json makes ${formatShape(pixels)}`);
  if (!fits(vision.output.shape, tagging.input.shape)) throw new BundleError("bad-graph", files.tagging, `takes image_embeds ${formatShape(tagging.input.shape)}, but the vision graph gives ${formatShape(vision.output.shape)}`);
  const logits = ["batch", model.tags.length];
  if (!fits(tagging.output.shape, logits)) throw new BundleError("bad-graph", files.tagging, `gives logits ${formatShape(tagging.output.shape)}, but tags.json names ${model.tags.length} tags: the files do not belong together`);
  return { dtype, vision, tagging, parameters: vision.parameters + tagging.parameters, bytes: vision.bytes + tagging.bytes };
}

/** Axes of any size have names; the first is the batch, which must have one. */
function fits(shape: readonly Dim[], expected: readonly Dim[]): boolean {
  return shape.length === expected.length && shape.every((dim, axis) => (axis === 0 ? typeof dim === "string" : typeof dim === "string" || typeof expected[axis] === "string" || dim === expected[axis]));
}

/** Whether a model's graph for banks can be had, and what it asks for. */
export interface BankGraphReport extends GraphReport {
  /** Width of the rows, W. */
  readonly width: number;
  /** Tags have one row each (RAM), or several descriptions. */
  readonly rows: "one" | "several";
  /** Each tag has a bias. */
  readonly biased: boolean;
}

/**
 * Checks the graph for banks of tags, as `verifyGraphs` does with the others. Throws a BundleError: no-bank-graph for a folder
 * that was written before there were banks, or naming what is wrong.
 */
export async function verifyBankGraph(model: ModelFolder, dtype: Precision): Promise<BankGraphReport> {
  const file = bankGraphFile(model.folder, dtype);
  if ((await stat(file).catch(() => null)) === null) throw new BundleError("no-bank-graph", file, "is missing, so this model takes no other tags than its own: convert the checkpoint again with this release");
  const root = await realpath(model.folder);
  const report = await verifyGraph(file, root, ["image_embeds", "label_embed"], "logits", ["label_mask", "label_bias"]);
  const shapeOf = (name: string): readonly Dim[] | undefined => report.inputs.find((value) => value.name === name)?.shape;
  const embed = shapeOf("label_embed")!;
  const width = embed.at(-1);
  const rows = shapeOf("label_mask") === undefined ? "one" : "several";
  const symbolic = (dims: readonly Dim[] | undefined): boolean => dims === undefined || dims.every((dim) => typeof dim === "string");
  if (typeof width !== "number" || width < 1 || embed.length !== (rows === "one" ? 2 : 3) || !symbolic(embed.slice(0, -1)) || !symbolic(shapeOf("label_mask")) || !symbolic(shapeOf("label_bias")) || report.output.shape.length !== 2) {
    throw new BundleError("bad-graph", file, `takes label_embed ${formatShape(embed)}: expected ${formatShape(rows === "one" ? ["tags", "W"] : ["tags", "descriptions", "W"])}`);
  }
  return { ...report, width, rows, biased: shapeOf("label_bias") !== undefined };
}

async function verifyGraph(file: string, root: string, required: readonly string[], output: string, optional: readonly string[] = []): Promise<GraphReport & { readonly inputs: readonly OutlinedValue[] }> {
  const size = await sizeInside(file, root, file);
  if (size > largestGraph) throw new BundleError("bad-graph", file, `has ${size} bytes; a graph has at most ${largestGraph}, with its weights in a file beside it`);
  const outline = outlineOf(file, await readFile(file));
  const has = (name: string): boolean => outline.inputs.some((value) => value.name === name);
  const input = outline.inputs.find(({ name }) => name === required[0]);
  const given = outline.outputs.find(({ name }) => name === output);
  if (!required.every(has) || outline.inputs.some(({ name }) => !required.includes(name) && !optional.includes(name)) || input === undefined || given === undefined) {
    const names = (list: readonly OutlinedValue[]): string => list.map(({ name }) => name).join(", ") || "nothing";
    throw new BundleError("bad-graph", file, `expected a graph from ${required.join(", ")} to ${output}; it goes from ${names(outline.inputs)} to ${names(outline.outputs)}`);
  }
  for (const { name, elementType } of [...outline.inputs, given]) if (elementType !== float32) throw new BundleError("bad-graph", file, `${name} has ONNX's element type ${elementType}; expected float32 (${float32})`);
  const weights = await verifyReferences(file, root, outline);
  const parameters = outline.tensors.reduce((sum, tensor) => sum + (wholeNumbers.has(tensor.elementType) ? 0 : tensor.elements), 0);
  return { file, inputs: outline.inputs, input, output: given, parameters, bytes: size + weights };
}

function outlineOf(file: string, bytes: Uint8Array): OnnxOutline {
  try {
    return outlineOnnx(bytes);
  } catch (cause) {
    if (cause instanceof OnnxError) throw new BundleError("bad-graph", file, cause.message, { cause });
    throw cause;
  }
}

/** Checks the references to weights outside; gives the bytes of the files that hold them. */
async function verifyReferences(file: string, root: string, { tensors }: OnnxOutline): Promise<number> {
  const byLocation = new Map<string, { readonly name: string; readonly begin: number; readonly end: number }[]>();
  for (const { name, outside } of tensors) {
    if (outside === null) continue;
    const { location, offset, length } = outside;
    // A plain name, as this package gives, so that it can only mean a file beside the graph, on every system.
    if (!/^\w[\w.-]*$/.test(location)) throw new BundleError("bad-graph", file, `initializer ${name}: its data are said to lie in ${JSON.stringify(location)}; only files of the folder onnx/ itself may be named`);
    const ranges = byLocation.get(location) ?? [];
    ranges.push({ name, begin: offset, end: offset + length });
    byLocation.set(location, ranges);
  }
  let total = 0;
  for (const [location, ranges] of byLocation) {
    const size = await sizeInside(join(dirname(file), location), root, file);
    total += size;
    ranges.sort((a, b) => a.begin - b.begin || a.end - b.end);
    let before: (typeof ranges)[number] | null = null;
    for (const range of ranges) {
      if (range.end > size) throw new BundleError("bad-graph", file, `initializer ${range.name}: reaches to byte ${range.end} of ${location}, which has ${size}; download or copy the folder again`);
      // The same values under two names are one range; ranges that run into each other are a mistake.
      if (before !== null && range.begin < before.end && !(range.begin === before.begin && range.end === before.end)) throw new BundleError("bad-graph", file, `initializers ${before.name} and ${range.name} overlap in ${location}`);
      before = range;
    }
  }
  return total;
}

/** Bytes of a file of the folder, whose own place must be in the folder too. Throws a BundleError, naming the graph, for a file that is none or elsewhere. */
async function sizeInside(path: string, root: string, graph: string): Promise<number> {
  const named = path === graph ? "" : `its weights ${path}: `;
  let place: string;
  try {
    place = await realpath(path);
  } catch (cause) {
    throw new BundleError("missing-file", graph, `${named}cannot be read: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
  if (!place.startsWith(root + sep)) throw new BundleError("bad-graph", graph, `${named}is a link out of the model folder; copy the folder with what its links point to (cp -rL)`);
  const info = await stat(place);
  if (!info.isFile()) throw new BundleError("missing-file", graph, `${named}is no regular file`);
  return info.size;
}
