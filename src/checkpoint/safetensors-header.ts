import { parseJson } from "../json.js";
import { byteSize, type DType } from "../tensor/dtype.js";
import { elementCount, type Shape } from "../tensor/shape.js";
import { CheckpointError } from "./checkpoint-error.js";

/** safetensors' words for the element types. */
export const safetensorsDTypes: Readonly<Record<DType, string>> = {
  float64: "F64", float32: "F32", float16: "F16", bfloat16: "BF16",
  int64: "I64", int32: "I32", int16: "I16", int8: "I8", uint8: "U8", bool: "BOOL",
};
const dtypes = new Map(Object.entries(safetensorsDTypes).map(([dtype, word]) => [word, dtype as DType]));

/** A tensor's place: `begin` and `end` count from the end of the header. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** By position in the file: the order in which they were written. */
  readonly entries: readonly HeaderEntry[];
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Reads a safetensors header (the JSON after the length) of a file with `dataLength` bytes of data. As the format demands, the tensors must
 * cover the data without gap or overlap. Throws CheckpointError (bad-header, unsupported-dtype, truncated).
 */
export function parseSafetensorsHeader(file: string, json: Uint8Array, dataLength: number): SafetensorsHeader {
  const bad = (problem: string): CheckpointError => new CheckpointError(file, { code: "bad-header", problem });
  let header: unknown;
  try {
    header = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch (cause) {
    throw new CheckpointError(file, { code: "bad-header", problem: `no valid JSON: ${(cause as Error).message}` }, { cause });
  }
  if (!isRecord(header)) throw bad("expected a JSON object");

  const metadata = new Map<string, string>();
  const entries: HeaderEntry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (!isRecord(value)) throw bad(`${name}: expected an object`);
    if (name === "__metadata__") {
      for (const [key, text] of Object.entries(value)) {
        if (typeof text !== "string") throw bad(`__metadata__.${key}: expected a string`);
        metadata.set(key, text);
      }
      continue;
    }
    const { dtype: word, shape, data_offsets: offsets } = value;
    if (typeof word !== "string") throw bad(`${name}: expected a dtype`);
    const dtype = dtypes.get(word);
    if (dtype === undefined) throw new CheckpointError(file, { code: "unsupported-dtype", tensor: name, dtype: word });
    if (!isSizes(shape)) throw bad(`${name}: shape is no list of sizes`);
    if (!isSizes(offsets) || offsets.length !== 2) throw bad(`${name}: data_offsets are no two positions`);
    const [begin, end] = offsets as [number, number];
    // An overflowing product is not an exact multiple of anything here: it is infinite or far beyond any file.
    const needed = shape.includes(0) ? 0 : elementCount(shape) * byteSize(dtype);
    if (end - begin !== needed) throw bad(`${name}: ${word} [${shape.join(", ")}] needs ${needed} bytes, data_offsets hold ${end - begin}`);
    entries.push({ name, dtype, shape, begin, end });
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let reached = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== reached) throw bad(`${name}: data begin at ${begin}, expected ${reached}`);
    reached = end;
  }
  if (reached > dataLength) throw new CheckpointError(file, { code: "truncated", needed: reached, available: dataLength });
  if (reached < dataLength) throw bad(`${dataLength - reached} bytes after the last tensor`);
  return { entries, metadata };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** More axes than any weight has. */
const maxRank = 32;

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= maxRank && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
