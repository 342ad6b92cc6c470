/** A .npy file of format 1.0 to 3.0, as NumPy writes it, over these bytes. */
export function npyFile(header: string, data: Uint8Array, version: 1 | 2 | 3 = 1): Buffer {
  const prefix = version === 1 ? 10 : 12;
  const text = Buffer.from(`${header}${" ".repeat(64 - ((prefix + header.length + 1) % 64))}\n`, "latin1");
  const start = Buffer.alloc(prefix);
  start.write("\x93NUMPY", "latin1");
  start[6] = version;
  if (version === 1) start.writeUInt16LE(text.length, 8);
  else start.writeUInt32LE(text.length, 8);
  return Buffer.concat([start, text, data]);
}

/** The header of an array. */
export const npyHeader = (descr: string, shape: string, fortran = false): string => `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${shape}, }`;

/** The bytes of a typed array. */
export const bytesOf = (values: Float32Array | Float64Array | Uint16Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
