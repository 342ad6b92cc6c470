import { BundleError } from "../bundle/bundle-error.js";
import type { GraphFiles, ModelFolder } from "../bundle/model-folder.js";
import type { RuntimeSession } from "../runtime/session.js";
import { formatShape } from "../tensor/shape.js";

/** Checks that the graphs have the inputs and outputs of a model folder. Throws a BundleError naming the file that has not. */
export function checkGraphs({ preprocessor: { size } }: ModelFolder, files: GraphFiles, vision: RuntimeSession, tagging: RuntimeSession): void {
  checkNames(files.vision, vision, "pixel_values", "image_embeds");
  checkNames(files.tagging, tagging, "image_embeds", "logits");
  const shape = vision.inputShapes["pixel_values"] ?? [];
  const expected = ["batch", 3, size, size];
  // Axes of any size have names.
  const fits = shape.length === 4 && shape.slice(1).every((axis, i) => typeof axis === "string" || axis === expected[i + 1]);
  if (!fits) throw new BundleError("bad-graph", files.vision, `takes pixel_values ${formatShape(shape)}, but preprocessor_config.json makes ${formatShape(expected)}`);
}

function checkNames(file: string, { inputNames, outputNames }: RuntimeSession, input: string, output: string): void {
  if (inputNames.length === 1 && inputNames[0] === input && outputNames.includes(output)) return;
  throw new BundleError("bad-graph", file, `expected a graph from ${input} to ${output}; it goes from ${inputNames.join(", ") || "nothing"} to ${outputNames.join(", ")}`);
}
