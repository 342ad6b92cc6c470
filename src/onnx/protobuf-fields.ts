import { OnnxError } from "./onnx-error.js";

/** How a field is written: a number of 7-bit groups, four bytes, or a length and so many bytes. "numbers": many varints, one by one or packed into bytes. */
export type Wire = "varint" | "fixed32" | "bytes" | "numbers";

/** A kind of message: its name in errors, and how each field is written, by number below 32. */
export interface MessageForm {
  readonly message: string;
  readonly wires: Int8Array;
  /** A bit for each field that may come many times. */
  readonly many: number;
}

const varint = 0;
const lengthDelimited = 2;
const fixed32 = 5;
const numbers = 8;
const wireOf: Readonly<Record<Wire, number>> = { varint, fixed32, bytes: lengthDelimited, numbers };
const fieldLimit = 32;

/** The form of a message, from the fields that it has once and those that it may have many times. */
export function messageForm(message: string, once: Readonly<Record<number, Wire>>, many: Readonly<Record<number, Wire>> = {}): MessageForm {
  const wires = new Int8Array(fieldLimit).fill(-1);
  for (const [field, wire] of Object.entries({ ...once, ...many })) wires[Number(field)] = wireOf[wire];
  return { message, wires, many: Object.keys(many).reduce((bits, field) => bits | (1 << Number(field)), 0) };
}

/** Told of a field in turn: its number, or where its bytes begin and end. */
type Visit = (field: number, valueOrBegin: number, end: number) => void;

/** Bytes in which one message after the other is read. */
export class ProtobufBytes {
  /** Where the number read last ends. */
  #at = 0;

  constructor(readonly bytes: Uint8Array) {}

  /**
   * Tells of the fields of the message between two positions. Stricter than the format: a field that the form has not, one that
   * is written in another way and a second value of a single field are refused, because readers differ in what they make
   * of these, and what this reader passes over another might follow. Numbers above 2^53, negative ones among them, lose digits.
   * Throws an OnnxError.
   */
  read(begin: number, end: number, form: MessageForm, visit: Visit): void {
    let seen = 0;
    for (let at = begin; at < end; ) {
      const key = this.#number(at, end, form);
      at = this.#at;
      // No field above the limit is known, and a number of more than 32 bits must not become one that is.
      const [field, wire] = key < fieldLimit * 8 ? [key >> 3, key & 7] : [0, 0];
      const expected = form.wires[field]!;
      const packed = expected === numbers && wire === lengthDelimited;
      if (expected < 0 || (wire !== (expected & 7) && !packed)) throw bad(form, expected < 0 ? `has a field ${Math.floor(key / 8)}, which none of this package has` : `has its field ${field} in another form`);
      if ((seen & ~form.many & (1 << field)) !== 0) throw bad(form, `has its field ${field} twice`);
      seen |= 1 << field;
      if (wire === varint) {
        const value = this.#number(at, end, form);
        at = this.#at;
        visit(field, value, at);
        continue;
      }
      const length = wire === fixed32 ? 4 : this.#number(at, end, form);
      const from = wire === fixed32 ? at : this.#at;
      if (length > end - from) throw bad(form, "ends too early");
      at = from + length;
      if (packed) this.#packed(field, from, at, form, visit);
      else visit(field, from, at);
    }
  }

  #packed(field: number, begin: number, end: number, form: MessageForm, visit: Visit): void {
    for (let at = begin; at < end; at = this.#at) visit(field, this.#number(at, end, form), this.#at);
  }

  #number(at: number, end: number, form: MessageForm): number {
    let value = 0;
    for (let scale = 1, last = Math.min(end, at + 10); at < last; scale *= 128) {
      const byte = this.bytes[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.#at = at;
        return value;
      }
    }
    throw bad(form, "holds a damaged number");
  }
}

function bad(form: MessageForm, problem: string): OnnxError {
  return new OnnxError("not-onnx", `not an ONNX file of this package: ${form.message} ${problem}`);
}
