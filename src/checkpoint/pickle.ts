import { CheckpointError, type CheckpointFault } from "./checkpoint-error.js";
import { allowedGlobal, storageOfId } from "./pickle-globals.js";
import { isKind, type PickleGlobal, type PickleValue, type TorchStorage } from "./pickle-value.js";

/** Operations of one pickle. Each makes at most one object (a call counts once more for every item it copies), so this bounds memory and time; a full RAM++ has some 20,000. */
const operationLimit = 1_000_000;
/** Bytes of one integer: enough for the magic number of PyTorch's older form and to spare. */
const integerLimit = 64;

/** What a pickle held: its value, where it ended, and every storage that it named, weights' or not. */
export interface Unpickled {
  readonly value: PickleValue;
  readonly end: number;
  readonly storages: readonly TorchStorage[];
}

/**
 * Reads the pickle that `bytes` begin with. It knows the opcodes that checkpoints need (protocols 2 to
 * 5) and the names of `allowedGlobal`, and calls nothing. No recursion: depth costs no stack. Throws CheckpointError (truncated where
 * `bytes` end first, bad-pickle, unsupported-opcode, forbidden-global, too-large).
 */
export function unpickle(file: string, bytes: Buffer): Unpickled {
  let at = 0;
  let operationStart = 0;
  const raise = (fault: CheckpointFault): never => {
    throw new CheckpointError(file, fault);
  };
  const fail = (problem: string): never => raise({ code: "bad-pickle", offset: operationStart, problem });

  let operations = 0;
  const spend = (count: number): void => {
    operations += count;
    if (operations > operationLimit) raise({ code: "too-large", what: "operations of the pickle", actual: operations, limit: operationLimit });
  };
  const take = (length: number): number => {
    if (length > bytes.length - at) raise({ code: "truncated", needed: at + length, available: bytes.length });
    const position = at;
    at += length;
    return position;
  };
  const uint8 = (): number => bytes.readUInt8(take(1));
  const uint16 = (): number => bytes.readUInt16LE(take(2));
  const uint32 = (): number => bytes.readUInt32LE(take(4));
  const uint64 = (): number => Number(bytes.readBigUInt64LE(take(8)));
  const raw = (length: number): Buffer => bytes.subarray(take(length), at);
  const line = (): string => {
    const end = bytes.indexOf(10, at);
    if (end < 0) raise({ code: "truncated", needed: bytes.length + 1, available: bytes.length });
    const text = raw(end - at).toString("utf8");
    at++;
    return text;
  };
  const integer = (length: number): number | bigint => {
    if (length > integerLimit) return raise({ code: "too-large", what: "bytes of an integer in the pickle", actual: length, limit: integerLimit });
    let value = 0n;
    const digits = raw(length);
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(digits[i]!);
    value = BigInt.asIntN(8 * length, value);
    return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  };

  const stack: PickleValue[] = [];
  const marks: number[] = [];
  const memo = new Map<number, PickleValue>();
  const storages: TorchStorage[] = [];
  const floor = (): number => marks.at(-1) ?? 0;
  const pop = (): PickleValue => (stack.length > floor() ? stack.pop()! : fail("the stack is empty"));
  const top = (): PickleValue => (stack.length > floor() ? stack.at(-1)! : fail("the stack is empty"));
  const popMark = (): PickleValue[] => stack.splice(marks.pop() ?? fail("no mark"));
  const push = (value: PickleValue): void => void stack.push(value);
  const tuple = (items: readonly PickleValue[]): void => push({ kind: "tuple", items });
  const recall = (index: number): void => push(memo.has(index) ? memo.get(index)! : fail(`nothing was remembered as ${index}`));

  const setItems = (items: readonly PickleValue[]): void => {
    const dictionary = top();
    if (!(dictionary instanceof Map) || items.length % 2 !== 0) return fail("items for no dictionary");
    for (let i = 0; i < items.length; i += 2) dictionary.set(items[i]!, items[i + 1]!);
  };
  const append = (items: readonly PickleValue[]): void => {
    const list = top();
    if (!Array.isArray(list)) return fail("items for no list");
    for (const item of items) list.push(item);
  };
  const add = (items: readonly PickleValue[]): void => {
    const set = top();
    if (!(set instanceof Set)) return fail("items for no set");
    for (const item of items) set.add(item);
  };
  const global = (module: PickleValue, name: PickleValue): PickleGlobal => {
    if (typeof module !== "string" || typeof name !== "string") return fail("a global without a name");
    const full = `${module}.${name}`;
    return allowedGlobal(full) ?? raise({ code: "forbidden-global", global: full.slice(0, 200) });
  };
  const reduce = (): void => {
    const args = pop();
    const callee = pop();
    if (!isKind(callee, "global") || !isKind(args, "tuple")) return fail("a call of what is no function");
    if (callee.build === undefined) return fail(`a call of ${callee.name}`);
    // OrderedDict copies the list that it is given, which may be the same list in every call.
    for (const argument of args.items) if (Array.isArray(argument)) spend(argument.length);
    push(callee.build(args.items, fail));
  };

  for (;;) {
    spend(1);
    operationStart = at;
    const opcode = uint8();
    switch (opcode) {
      case 0x80: { // PROTO
        const protocol = uint8();
        if (protocol < 2 || protocol > 5) fail(`protocol ${protocol}`);
        break;
      }
      case 0x95: take(8); break; // FRAME: a hint for buffering
      case 0x2e: { // STOP
        const value = pop();
        if (stack.length > 0) fail("values are left at the end");
        return { value, end: at, storages };
      }
      case 0x28: marks.push(stack.length); break; // MARK
      case 0x30: pop(); break; // POP
      case 0x31: popMark(); break; // POP_MARK
      case 0x4e: push(null); break; // NONE
      case 0x88: push(true); break; // NEWTRUE
      case 0x89: push(false); break; // NEWFALSE
      case 0x4a: push(bytes.readInt32LE(take(4))); break; // BININT
      case 0x4b: push(uint8()); break; // BININT1
      case 0x4d: push(uint16()); break; // BININT2
      case 0x8a: push(integer(uint8())); break; // LONG1
      case 0x8b: push(integer(uint32())); break; // LONG4
      case 0x47: push(bytes.readDoubleBE(take(8))); break; // BINFLOAT
      case 0x58: push(raw(uint32()).toString("utf8")); break; // BINUNICODE
      case 0x8c: push(raw(uint8()).toString("utf8")); break; // SHORT_BINUNICODE
      case 0x8d: push(raw(uint64()).toString("utf8")); break; // BINUNICODE8
      case 0x54: push(raw(uint32()).toString("latin1")); break; // BINSTRING
      case 0x55: push(raw(uint8()).toString("latin1")); break; // SHORT_BINSTRING
      case 0x42: push(raw(uint32())); break; // BINBYTES
      case 0x43: push(raw(uint8())); break; // SHORT_BINBYTES
      case 0x8e: push(raw(uint64())); break; // BINBYTES8
      case 0x29: tuple([]); break; // EMPTY_TUPLE
      case 0x85: tuple([pop()]); break; // TUPLE1
      case 0x86: tuple([pop(), pop()].reverse()); break; // TUPLE2
      case 0x87: tuple([pop(), pop(), pop()].reverse()); break; // TUPLE3
      case 0x74: tuple(popMark()); break; // TUPLE
      case 0x5d: push([]); break; // EMPTY_LIST
      case 0x61: append([pop()]); break; // APPEND
      case 0x65: append(popMark()); break; // APPENDS
      case 0x7d: push(new Map()); break; // EMPTY_DICT
      case 0x73: setItems([pop(), pop()].reverse()); break; // SETITEM
      case 0x75: setItems(popMark()); break; // SETITEMS
      case 0x8f: push(new Set()); break; // EMPTY_SET
      case 0x90: add(popMark()); break; // ADDITEMS
      case 0x71: memo.set(uint8(), top()); break; // BINPUT
      case 0x72: memo.set(uint32(), top()); break; // LONG_BINPUT
      case 0x94: memo.set(memo.size, top()); break; // MEMOIZE
      case 0x68: recall(uint8()); break; // BINGET
      case 0x6a: recall(uint32()); break; // LONG_BINGET
      case 0x63: push(global(line(), line())); break; // GLOBAL
      case 0x93: { // STACK_GLOBAL
        const name = pop();
        push(global(pop(), name));
        break;
      }
      case 0x52: reduce(); break; // REDUCE
      case 0x62: // BUILD: attributes of an OrderedDict (torch's _metadata of versions), which carry no weights
        pop();
        if (!(top() instanceof Map)) fail("attributes for no dictionary");
        break;
      case 0x51: { // BINPERSID
        const storage = storageOfId(pop(), fail);
        storages.push(storage);
        push(storage);
        break;
      }
      default: raise({ code: "unsupported-opcode", opcode, offset: operationStart });
    }
  }
}
