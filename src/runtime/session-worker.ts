import { parentPort, workerData } from "node:worker_threads";
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-common";
import type { Tensor } from "../tensor/tensor.js";
import { RuntimeError } from "./runtime-error.js";
import { openOnnxSession, type OpenedSession } from "./onnxruntime.js";
import type { Tensors, WorkerReply, WorkerRequest, WorkerStart } from "./worker-protocol.js";

const port = parentPort!;
const reply = (message: WorkerReply): void => port.postMessage(message);

/** State of a loop in two copies: each step reads one and writes what changes into the other. */
interface Loop {
  readonly sides: readonly [Record<string, OrtTensor>, Record<string, OrtTensor>];
  /** Output to the input that it becomes. */
  readonly feedback: Readonly<Record<string, string>>;
  /** Outputs that are given back. */
  readonly results: readonly string[];
  side: 0 | 1;
}

function fail(id: number | null, error: unknown): void {
  const code = error instanceof RuntimeError ? error.code : "run-failed";
  reply({ kind: "failed", id, code, message: error instanceof Error ? error.message : String(error) });
}

function serve({ session, Tensor, device }: OpenedSession): void {
  const toOrt = (tensors: Tensors): Record<string, OrtTensor> =>
    Object.fromEntries(Object.entries(tensors).map(([name, { dtype, data, shape }]) => [name, new Tensor(dtype as "float32", data as Float32Array, shape as number[])]));
  const fromOrt = (results: InferenceSession.OnnxValueMapType): Tensors =>
    Object.fromEntries(
      Object.entries(results).map(([name, value]) => {
        const { type, dims, data } = value as OrtTensor;
        return [name, { dtype: type, shape: [...dims], data } as unknown as Tensor];
      }),
    );
  const loops = new Map<number, Loop>();
  const handle = async (request: WorkerRequest): Promise<Tensors> => {
    switch (request.kind) {
      case "run": {
        const feeds = toOrt(request.feeds);
        return fromOrt(request.fetches === null ? await session.run(feeds) : await session.run(feeds, request.fetches));
      }
      case "start-loop": {
        const first = toOrt(request.state);
        const changing = new Set(Object.values(request.feedback));
        const second = Object.fromEntries(
          Object.entries(first).map(([name, value]) => [name, changing.has(name) ? new Tensor("float32", new Float32Array((value.data as Float32Array).length), value.dims) : value]),
        );
        const results = session.outputNames.filter((name) => request.feedback[name] === undefined);
        loops.set(request.key, { sides: [first, second], feedback: request.feedback, results, side: 0 });
        return {};
      }
      case "step":
        return step(loops.get(request.key)!, toOrt(request.feeds));
      case "read-state": {
        const loop = loops.get(request.key)!;
        return fromOrt(loop.sides[loop.side]);
      }
      case "close":
        await session.release();
        return {};
    }
  };
  const step = async (loop: Loop, feeds: Record<string, OrtTensor>): Promise<Tensors> => {
    const target = loop.sides[loop.side === 0 ? 1 : 0];
    const fetches: Record<string, OrtTensor | null> = Object.fromEntries(loop.results.map((name) => [name, null]));
    // The native runtime writes into tensors that it is given; WebAssembly has its own memory, so what it gives is copied.
    const inPlace = device !== "wasm";
    for (const [output, input] of Object.entries(loop.feedback)) fetches[output] = inPlace ? target[input]! : null;
    const results = inPlace ? await session.run({ ...loop.sides[loop.side], ...feeds }, fetches) : await session.run({ ...loop.sides[loop.side], ...feeds });
    if (!inPlace) for (const [output, input] of Object.entries(loop.feedback)) (target[input]!.data as Float32Array).set((results[output] as OrtTensor).data as Float32Array);
    loop.side = loop.side === 0 ? 1 : 0;
    return fromOrt(Object.fromEntries(loop.results.map((name) => [name, results[name]!])));
  };
  let last: Promise<void> = Promise.resolve();
  port.on("message", (request: WorkerRequest) => {
    last = last.then(async () => {
      try {
        reply({ kind: "done", id: request.id, outputs: await handle(request) });
      } catch (error) {
        fail(request.id, error);
      }
    });
  });
}

try {
  const permitted = new Promise<void>((resolve) => port.once("message", () => resolve()));
  const opened = await openOnnxSession(workerData as WorkerStart, permitted);
  const { session, device, fallback } = opened;
  serve(opened);
  reply({ kind: "ready", device, fallback, inputNames: session.inputNames, outputNames: session.outputNames });
} catch (error) {
  fail(null, error);
}
