import { bankPart } from "./bank-part.js";
import { checkpointParts } from "./checkpoint-parts.js";
import { dataParts } from "./data-parts.js";
import { imageParts } from "./image-parts.js";
import { jsonParts } from "./json-parts.js";
import { onnxPart } from "./onnx-part.js";
import type { FuzzPart } from "./part.js";

/** Every reader of files that strangers may have made. */
export const fuzzParts: readonly FuzzPart[] = [...checkpointParts, bankPart, ...jsonParts, onnxPart, ...dataParts, ...imageParts];
