import { readFileSync } from "node:fs";
import { elementCount } from "../../src/tensor/shape.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { shared } from "../shared-data.js";

/** A tensor of the full-size case: every value follows from its name, its place and these numbers (`parity/full_size/README.md`). */
export interface FormulaTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: string;
  readonly offset: number;
  readonly scale: number;
}

const seed = 0x52414d2b;
const descriptions = 51;

/** The 367 tensors of the published RAM++, as listed by the reference's case. */
export function formulaTensors(): readonly FormulaTensor[] {
  return (JSON.parse(readFileSync(shared("parity/full_size/tensors.json"), "utf8")) as { tensors: FormulaTensor[] }).tensors;
}

function fnv1a32(name: string): number {
  let h = 2166136261;
  for (const byte of Buffer.from(name, "utf8")) h = Math.imul(h ^ byte, 16777619);
  return h;
}

/** 32 bits for element `i` of the tensor whose name has the hash `h`. */
function bitsOf(h: number, i: number): number {
  let x = (h + Math.imul(i, 0x9e3779b9)) | 0;
  x ^= x >>> 16;
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The tensor's values, bit for bit those of the reference's case. */
export function formulaValues(t: FormulaTensor): Tensor<"float32"> {
  const data = new Float32Array(elementCount(t.shape));
  if (t.kind === "label_embed") fillLabels(data, t.shape[1]!);
  else {
    const h = fnv1a32(t.name) ^ seed;
    for (let i = 0; i < data.length; i++) data[i] = t.offset + t.scale * ((bitsOf(h, i) >>> 8) / 8388608 - 1);
  }
  return { dtype: "float32", shape: t.shape, data };
}

/** Rows of length 1: one part that the descriptions of a tag share, one of their own. */
function fillLabels(data: Float32Array, width: number): void {
  const [shared, own] = [fnv1a32("label_embed.class") ^ seed, fnv1a32("label_embed") ^ seed];
  const integer = (h: number, i: number): number => (bitsOf(h, i) >>> 16) - 32768;
  const row = new Float64Array(width);
  for (let r = 0; r < data.length / width; r++) {
    const tag = Math.floor(r / descriptions);
    let squares = 0;
    for (let j = 0; j < width; j++) {
      row[j] = 2 * integer(shared, tag * width + j) + integer(own, r * width + j);
      squares += row[j]! * row[j]!;
    }
    const length = Math.sqrt(squares);
    for (let j = 0; j < width; j++) data[r * width + j] = row[j]! / length;
  }
}
