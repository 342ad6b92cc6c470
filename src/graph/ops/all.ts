import type { Op } from "../value.js";
import { convOps } from "./conv.js";
import { elementwiseOps } from "./elementwise.js";
import { gatherOps } from "./gather.js";
import { matMulOps } from "./matmul.js";
import { normalizationOps } from "./normalization.js";
import { quantizedOps } from "./quantized.js";
import { reduceOps } from "./reduce.js";
import { structureOps } from "./structure.js";

/** Every operator that graphs are built from. */
export const allOps: readonly Op[] = [...elementwiseOps, ...reduceOps, ...matMulOps, ...structureOps, ...gatherOps, ...normalizationOps, ...convOps, ...quantizedOps];
