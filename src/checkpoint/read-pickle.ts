import type { ByteSource } from "./byte-source.js";
import { CheckpointError } from "./checkpoint-error.js";
import { unpickle, type Unpickled } from "./pickle.js";

/** Bytes of one pickle: weights are not in it. */
const sizeLimit = 2 ** 26;
const firstWindow = 2 ** 18;

/** Reads the pickle between `position` and at most `limit`, its `end` being a position in the file. Throws CheckpointError as `unpickle` does. */
export async function readPickle(source: ByteSource, position: number, limit: number): Promise<Unpickled> {
  const available = Math.min(limit - position, sizeLimit);
  // The older form does not say how long its pickles are: a short look is nearly always enough, the limit always.
  for (let window = Math.min(firstWindow, available); ; window = available) {
    try {
      const read = unpickle(source.file, await source.read(position, window));
      return { ...read, end: position + read.end };
    } catch (error) {
      if (!(error instanceof CheckpointError && error.code === "truncated")) throw error;
      if (window < available) continue;
      if (available < limit - position) throw new CheckpointError(source.file, { code: "too-large", what: "bytes of the pickle", actual: limit - position, limit: sizeLimit });
      throw error;
    }
  }
}
