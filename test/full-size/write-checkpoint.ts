import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { ZipFile } from "yazl";
import { writeSafetensors } from "../../src/checkpoint/write-safetensors.js";
import { elementCount, rowMajorStrides } from "../../src/tensor/shape.js";
import { op, tensorPickle } from "../checkpoint/torch-files.js";
import { formulaTensors, formulaValues, type FormulaTensor } from "./formula.js";

export interface CheckpointOptions {
  /** Add what training leaves in a .pth: two moments of every trained weight, as in the published 3.0 GB. @default false */
  readonly optimizer?: boolean;
}

/** Writes the full-size checkpoint (1.3 GB; 3.0 GB with the optimiser's state): .safetensors or PyTorch's .pth by the file's name. */
export async function writeFullSizeCheckpoint(file: string, options: CheckpointOptions = {}): Promise<void> {
  const tensors = formulaTensors();
  if (file.endsWith(".safetensors")) await writeSafetensors(file, tensors.map((t) => ({ name: t.name, tensor: formulaValues(t) })));
  else await writePth(file, tensors, options);
}

const dictionary = (entries: readonly (readonly [Buffer, Buffer])[]): Buffer => Buffer.concat([op.emptyDict, op.mark, ...entries.flat(), op.setItems]);

/** {"model": weights, "optimizer": {"state": {0: {"exp_avg", "exp_avg_sq"}, ..}}, "epoch"}: what the reference's training saves. */
async function writePth(file: string, tensors: readonly FormulaTensor[], { optimizer = false }: CheckpointOptions): Promise<void> {
  const storages: (() => Uint8Array)[] = [];
  const sizes: number[] = [];
  const stored = (t: FormulaTensor, make: () => Uint8Array): Buffer => {
    const elements = elementCount(t.shape);
    storages.push(make);
    sizes.push(4 * elements);
    return tensorPickle({ key: String(storages.length - 1), elements, shape: t.shape, strides: rowMajorStrides(t.shape) });
  };
  const bytesOf = (t: FormulaTensor): Uint8Array => new Uint8Array(formulaValues(t).data.buffer);
  const weights = dictionary(tensors.map((t) => [op.text(t.name), stored(t, () => bytesOf(t))]));
  const trained = tensors.filter((t) => t.name !== "label_embed");
  const moment = (t: FormulaTensor): Buffer => stored(t, () => new Uint8Array(4 * elementCount(t.shape)));
  const state = dictionary(optimizer ? trained.map((t, i) => [op.integer(i), dictionary([[op.text("exp_avg"), moment(t)], [op.text("exp_avg_sq"), moment(t)]])]) : []);
  const pickle = Buffer.concat([op.proto, dictionary([[op.text("model"), weights], [op.text("optimizer"), dictionary([[op.text("state"), state]])], [op.text("epoch"), op.integer(4)]]), op.stop]);
  const zip = new ZipFile();
  const entry = { compress: false };
  zip.addBuffer(pickle, "checkpoint/data.pkl", entry);
  storages.forEach((make, key) => zip.addReadStreamLazy(`checkpoint/data/${key}`, { ...entry, size: sizes[key]! }, (give) => give(null, Readable.from([Buffer.from(make().buffer)]))));
  zip.addBuffer(Buffer.from("3\n"), "checkpoint/version", entry);
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(file));
}

// Run by itself: node .build/test/full-size/write-checkpoint.js FILE.pth|FILE.safetensors [--optimizer]
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [file, flag] = process.argv.slice(2);
  if (file === undefined) throw new Error("usage: write-checkpoint.js FILE.pth|FILE.safetensors [--optimizer]");
  await writeFullSizeCheckpoint(file, { optimizer: flag === "--optimizer" });
}
