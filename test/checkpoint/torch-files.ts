/** Makes PyTorch files byte by byte: what no honest writer would write, too. */

/** Pickle operations as bytes; strings are those of BINUNICODE. */
export const op = {
  proto: Buffer.from([0x80, 2]),
  stop: Buffer.from("."),
  mark: Buffer.from("("),
  tuple: Buffer.from("t"),
  emptyTuple: Buffer.from(")"),
  emptyDict: Buffer.from("}"),
  emptyList: Buffer.from("]"),
  setItem: Buffer.from("s"),
  setItems: Buffer.from("u"),
  reduce: Buffer.from("R"),
  persistent: Buffer.from("Q"),
  none: Buffer.from("N"),
  no: Buffer.from([0x89]),
  global: (name: string): Buffer => Buffer.from(`c${name.slice(0, name.lastIndexOf("."))}\n${name.slice(name.lastIndexOf(".") + 1)}\n`),
  text: (value: string): Buffer => {
    const bytes = Buffer.from(value, "utf8");
    const head = Buffer.from("X\0\0\0\0", "latin1");
    head.writeUInt32LE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  },
  /** LONG1 of 8 bytes. */
  integer: (value: number | bigint): Buffer => {
    const bytes = Buffer.from([0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.writeBigInt64LE(BigInt(value), 2);
    return bytes;
  },
};

export interface HostileTensor {
  readonly storage?: string;
  readonly key?: string;
  readonly elements: number | bigint;
  readonly offset?: number | bigint;
  readonly shape: readonly (number | bigint)[];
  readonly strides: readonly (number | bigint)[];
}

const tupleOf = (items: readonly Buffer[]): Buffer => Buffer.concat([op.mark, ...items, op.tuple]);

/** The operations that leave one tensor on the stack. */
export function tensorPickle({ storage = "torch.FloatStorage", key = "0", elements, offset = 0, shape, strides }: HostileTensor): Buffer {
  const id = tupleOf([op.text("storage"), op.global(storage), op.text(key), op.text("cpu"), op.integer(elements)]);
  const args = tupleOf([id, op.persistent, op.integer(offset), tupleOf(shape.map(op.integer)), tupleOf(strides.map(op.integer)), op.no, op.emptyTuple]);
  return Buffer.concat([op.global("torch._utils._rebuild_tensor_v2"), args, op.reduce]);
}

/** A whole pickle: a dictionary of the given entries, each an operation sequence. */
export function dictionaryPickle(entries: Readonly<Record<string, Buffer>>): Buffer {
  return Buffer.concat([op.proto, op.emptyDict, op.mark, ...Object.entries(entries).flatMap(([name, value]) => [op.text(name), value]), op.setItems, op.stop]);
}

/** A zip archive of the given entries; `method` 8 only claims compression. */
export function zipArchive(entries: Readonly<Record<string, Buffer>>, method = 0): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let position = 0;
  for (const [name, data] of Object.entries(entries)) {
    const nameBytes = Buffer.from(name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(method, 8);
    local.writeUInt32LE(data.length, 18);
    local.writeUInt32LE(data.length, 22);
    local.writeUInt16LE(nameBytes.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(data.length, 20);
    central.writeUInt32LE(data.length, 24);
    central.writeUInt16LE(nameBytes.length, 28);
    central.writeUInt32LE(position, 42);
    files.push(local, nameBytes, data);
    directory.push(central, nameBytes);
    position += 30 + nameBytes.length + data.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(entries).length, 8);
  end.writeUInt16LE(Object.keys(entries).length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(position, 16);
  return Buffer.concat([...files, central, end]);
}

/** The same archive in the form for files over 4 GB: sizes and positions in 64 bits; `directoryAt` is where it claims the end record to be. */
export function asZip64(archive: Buffer, directoryAt?: bigint): Buffer {
  const end = archive.subarray(archive.length - 22);
  const start = end.readUInt32LE(16);
  const directory: Buffer[] = [];
  for (let at = start; at < archive.length - 22; ) {
    const central = Buffer.from(archive.subarray(at, at + 46));
    const name = archive.subarray(at + 46, at + 46 + central.readUInt16LE(28));
    const extra = Buffer.alloc(28);
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(24, 2);
    extra.writeBigUInt64LE(BigInt(central.readUInt32LE(24)), 4);
    extra.writeBigUInt64LE(BigInt(central.readUInt32LE(20)), 12);
    extra.writeBigUInt64LE(BigInt(central.readUInt32LE(42)), 20);
    for (const field of [20, 24, 42]) central.writeUInt32LE(0xffffffff, field);
    central.writeUInt16LE(extra.length, 30);
    directory.push(central, name, extra);
    at += 46 + name.length;
  }
  const central = Buffer.concat(directory);
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(44n, 4);
  end64.writeBigUInt64LE(BigInt(end.readUInt16LE(10)), 24);
  end64.writeBigUInt64LE(BigInt(end.readUInt16LE(10)), 32);
  end64.writeBigUInt64LE(BigInt(central.length), 40);
  end64.writeBigUInt64LE(BigInt(start), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(directoryAt ?? BigInt(start + central.length), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([archive.subarray(0, start), central, end64, locator, end]);
}

/** A PyTorch file in zip form: the pickle, and storages by key. */
export function torchZip(pickle: Buffer, storages: Readonly<Record<string, Buffer>> = {}): Buffer {
  return zipArchive({ "archive/data.pkl": pickle, ...Object.fromEntries(Object.entries(storages).map(([key, data]) => [`archive/data/${key}`, data])) });
}

const magic = Buffer.from([0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]);

/** A PyTorch file in the older form, from the object's pickle and its storages: key, number of elements, bytes. */
export function torchLegacy(pickle: Buffer, storages: readonly (readonly [key: string, elements: bigint, data: Buffer])[] = []): Buffer {
  const keys = Buffer.concat([op.proto, op.emptyList, op.mark, ...storages.map(([key]) => op.text(key)), Buffer.from("e"), op.stop]);
  const protocol = Buffer.concat([op.proto, op.integer(1001), op.stop]);
  const machine = Buffer.concat([op.proto, op.emptyDict, op.stop]);
  const data = storages.flatMap(([, elements, bytes]) => {
    const count = Buffer.alloc(8);
    count.writeBigInt64LE(elements);
    return [count, bytes];
  });
  return Buffer.concat([magic, protocol, machine, pickle, keys, ...data]);
}
