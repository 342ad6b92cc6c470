import type { Precision } from "../bundle/model-config.js";
import type { RamConfig } from "../model/config.js";
import type { PrecisionCheck } from "./check-precisions.js";

/** What is kept in which precision, and why. */
const forms: Readonly<Record<Precision, string>> = {
  fp32: "everything as in the checkpoint.",
  fp16: "weights of 2,048 values and more in half precision, widened to float32 when the model is loaded; norms, biases, scales and all arithmetic in float32.",
  q8: "weights in 8 bits. The encoder's qkv, fc1 and fc2 products are computed in 8-bit integers, each row of activations with a scale of its own, each column of weights with another; the channels of the norms before them are balanced against the weights first (SmoothQuant). Other products have weights in blocks of 64 with a scale each and float32 arithmetic: the projection after attention, which brings a quarter of the error for a twelfth of the arithmetic, and the tagging head, whose error goes into the scores as it is. Tag descriptions have a scale for each row. Convolutions, patch embedding, layer norms, softmax, biases and the last layer stay in float32.",
};

/** The model card of a converted model. */
export function modelCard(model: RamConfig, version: string, dtypes: readonly Precision[], checks: readonly PrecisionCheck[] | null): string {
  const name = model.modelType === "ram_plus" ? "RAM++" : "RAM";
  const lines = [
    `# ${name}`,
    "",
    `Image tagging, ${model.tags} tags, ${model.encoder.imageSize} pixels. Converted from a checkpoint by ramplus ${version}.`,
    "",
    "## Precisions",
    "",
    ...dtypes.map((dtype) => `- **${dtype}**: ${forms[dtype]}`),
  ];
  if (checks !== null) lines.push("", "Measured on the photos given at conversion, against fp32:", "", ...checkTable(checks));
  return `${lines.join("\n")}\n`;
}

function checkTable(checks: readonly PrecisionCheck[]): string[] {
  return [
    "| precision | size | ms a photo | mean error of probability | largest | tag F1 | least |",
    "|---|---|---|---|---|---|---|",
    ...checks.map((c) => `| ${c.dtype} | ${(c.bytes / 1e6).toFixed(1)} MB | ${c.ms.toFixed(0)} | ${c.meanError.toExponential(1)} | ${c.maxError.toExponential(1)} | ${c.f1.toFixed(4)} | ${c.leastF1.toFixed(4)} |`),
  ];
}
