import type { Dim } from "../graph/type.js";
import { OnnxError } from "./onnx-error.js";
import { messageForm, ProtobufBytes } from "./protobuf-fields.js";
import type { ExternalRange } from "./tensor-proto.js";

/** An input or output of a graph. */
export interface OutlinedValue {
  readonly name: string;
  /** ONNX's number of the element type; 1 is float32. */
  readonly elementType: number;
  readonly shape: readonly Dim[];
}

/** Values that a graph holds: weights, and constants of its operators. */
export interface OutlinedTensor {
  readonly name: string;
  readonly elementType: number;
  readonly shape: readonly number[];
  readonly elements: number;
  /** Where the bytes lie outside of the graph's file; null: inside. */
  readonly outside: ExternalRange | null;
}

/** What an ONNX file takes, gives and holds. */
export interface OnnxOutline {
  readonly inputs: readonly OutlinedValue[];
  readonly outputs: readonly OutlinedValue[];
  /** Every tensor of the file: there is no other place from which ONNX Runtime could follow a reference. */
  readonly tensors: readonly OutlinedTensor[];
}

/** Bits of an element by ONNX's number of its type; text has none. */
const elementBits: Readonly<Record<number, number>> = { 1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4 };

const [bytes, varint, numbers] = ["bytes", "varint", "numbers"] as const;

// The messages of onnx.proto without what could hold tensors elsewhere: functions, training, sparse weights, graphs within graphs.
const modelForm = messageForm("the file", { 1: varint, 2: bytes, 3: bytes, 4: bytes, 5: varint, 6: bytes, 7: bytes }, { 8: bytes, 14: bytes });
const graphForm = messageForm("its graph", { 2: bytes, 10: bytes }, { 1: bytes, 5: bytes, 11: bytes, 12: bytes, 13: bytes, 16: bytes });
const nodeForm = messageForm("an operator", { 3: bytes, 4: bytes, 6: bytes, 7: bytes, 8: bytes }, { 1: bytes, 2: bytes, 5: bytes, 9: bytes });
const attributeForm = messageForm("an attribute", { 1: bytes, 2: "fixed32", 3: varint, 4: bytes, 5: bytes, 13: bytes, 20: varint }, { 7: "fixed32", 8: numbers, 9: bytes });
const tensorForm = messageForm("an initializer", { 2: varint, 8: bytes, 9: bytes, 12: bytes, 14: varint }, { 1: numbers, 13: bytes, 16: bytes });
const entryForm = messageForm("a reference to outside data", { 1: bytes, 2: bytes });
const valueForm = messageForm("an input or output", { 1: bytes, 2: bytes, 3: bytes }, { 4: bytes });
const typeForm = messageForm("the type of an input or output", { 1: bytes, 6: bytes });
const tensorTypeForm = messageForm("the type of an input or output", { 1: varint, 2: bytes });
const shapeForm = messageForm("the shape of an input or output", {}, { 1: bytes });
const dimensionForm = messageForm("the shape of an input or output", { 1: varint, 2: bytes, 3: bytes });

/** As it is: a mark at its beginning belongs to a text. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** More than any graph of this package has, so that a hostile file takes little memory. */
const mostTensors = 100_000;
const longestText = 4096;

class Outline {
  readonly inputs: OutlinedValue[] = [];
  readonly outputs: OutlinedValue[] = [];
  readonly tensors: OutlinedTensor[] = [];
  readonly #file: ProtobufBytes;

  constructor(file: Uint8Array) {
    this.#file = new ProtobufBytes(file);
    let graphs = 0;
    this.#file.read(0, file.length, modelForm, (field, begin, end) => {
      if (field !== 7) return;
      graphs++;
      this.#graph(begin, end);
    });
    if (graphs === 0) throw new OnnxError("not-onnx", "not an ONNX file: it has no graph");
  }

  #text(begin: number, end: number): string {
    if (end - begin > longestText) throw new OnnxError("not-onnx", `not an ONNX file of this package: it has a name of ${end - begin} bytes`);
    return utf8.decode(this.#file.bytes.subarray(begin, end));
  }

  #graph(begin: number, end: number): void {
    this.#file.read(begin, end, graphForm, (field, from, to) => {
      if (field === 1) this.#node(from, to);
      else if (field === 5) this.#tensor(from, to);
      else if (field === 11) this.inputs.push(this.#value(from, to));
      else if (field === 12) this.outputs.push(this.#value(from, to));
    });
  }

  #node(begin: number, end: number): void {
    this.#file.read(begin, end, nodeForm, (field, from, to) => {
      if (field === 5) this.#attribute(from, to);
    });
  }

  #attribute(begin: number, end: number): void {
    this.#file.read(begin, end, attributeForm, (field, from, to) => {
      if (field === 5) this.#tensor(from, to);
    });
  }

  #tensor(begin: number, end: number): void {
    let [name, elementType, inside, location] = ["", 0, -1, 0];
    const shape: number[] = [];
    const reference = new Map<string, string>();
    let entries = 0;
    this.#file.read(begin, end, tensorForm, (field, value, to) => {
      if (field === 1) shape.push(value);
      else if (field === 2) elementType = value;
      else if (field === 8) name = this.#text(value, to);
      else if (field === 9) inside = to - value;
      else if (field === 14) location = value;
      else if (field === 13) {
        entries++;
        const [key, text] = this.#entry(value, to);
        reference.set(key, text);
      }
    });
    const bits = elementBits[elementType];
    if (bits === undefined) throw new OnnxError("not-onnx", `initializer ${name}: element type ${elementType} is not supported`);
    const elements = shape.reduce((count, size) => count * size, 1);
    if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(elements)) throw new OnnxError("not-onnx", `initializer ${name}: impossible shape`);
    const outside = entries === 0 && location === 0 ? null : rangeOf(name, reference, entries);
    if (outside !== null && (location !== 1 || inside >= 0)) throw new OnnxError("external-data", `initializer ${name}: its data are said to lie inside and outside of the file`);
    const [needed, given] = [Math.ceil((elements * bits) / 8), outside?.length ?? Math.max(inside, 0)];
    if (given !== needed) throw new OnnxError("wrong-weight", `initializer ${name}: shape [${shape.join(", ")}] needs ${needed} bytes, ${given} are given`);
    if (this.tensors.length >= mostTensors) throw new OnnxError("not-onnx", `not an ONNX file of this package: it has more than ${mostTensors} initializers`);
    this.tensors.push({ name, elementType, shape, elements, outside });
  }

  #entry(begin: number, end: number): [string, string] {
    const entry: [string, string] = ["", ""];
    this.#file.read(begin, end, entryForm, (field, from, to) => {
      entry[field - 1] = this.#text(from, to);
    });
    return entry;
  }

  #value(begin: number, end: number): OutlinedValue {
    let [name, elementType] = ["", 0];
    const shape: Dim[] = [];
    const dimension = (from: number, to: number): void => {
      let size: Dim = "";
      this.#file.read(from, to, dimensionForm, (field, value, last) => {
        if (field !== 3) size = field === 1 ? value : this.#text(value, last);
      });
      shape.push(size);
    };
    const tensorType = (from: number, to: number): void =>
      this.#file.read(from, to, tensorTypeForm, (field, value, last) => {
        if (field === 1) elementType = value;
        else this.#file.read(value, last, shapeForm, (_field, first, end) => dimension(first, end));
      });
    this.#file.read(begin, end, valueForm, (field, from, to) => {
      if (field === 1) name = this.#text(from, to);
      else if (field === 2) this.#file.read(from, to, typeForm, (kind, first, last) => (kind === 1 ? tensorType(first, last) : undefined));
    });
    return { name, elementType, shape };
  }
}

/** A reference in the words that this package writes, each once: what others might mean is not guessed. */
function rangeOf(name: string, reference: ReadonlyMap<string, string>, entries: number): ExternalRange {
  const bad = (problem: string): OnnxError => new OnnxError("external-data", `initializer ${name}: ${problem}`);
  const position = (key: string): number => {
    const text = reference.get(key) ?? "";
    if (!/^\d{1,15}$/.test(text)) throw bad(`${key} ${JSON.stringify(text)} of its outside data is no number of bytes`);
    return Number(text);
  };
  const range = { location: reference.get("location") ?? "", offset: position("offset"), length: position("length") };
  if (entries !== 3) throw bad("its reference to outside data says more than location, offset and length");
  return range;
}

/**
 * Reads what an ONNX file takes, gives and holds without its weights, before ONNX Runtime opens it and follows what it refers to.
 * It does not go through the protobuf library, whose import alone takes longer than this, and which is less strict. Files
 * of the form that this package writes are read; throws an OnnxError for any other, and where the size of a tensor is not what its shape needs.
 */
export function outlineOnnx(file: Uint8Array): OnnxOutline {
  return new Outline(file);
}
