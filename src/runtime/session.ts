import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Tensor } from "../tensor/tensor.js";
import type { Device, ModelSource, SessionOptions } from "./device.js";
import { RuntimeError } from "./runtime-error.js";
import type { Tensors, WorkerPermission, WorkerReady, WorkerReply, WorkerRequest, WorkerStart } from "./worker-protocol.js";

export interface RunOptions {
  readonly signal?: AbortSignal;
  /** Outputs to compute. @default all */
  readonly fetches?: readonly string[];
}

/** Runs whose outputs become the next run's inputs, with the state kept in the session's thread. */
export interface SessionLoop {
  /** One run on the state and these inputs; gives the outputs that are not fed back. Throws a RuntimeError when ONNX Runtime fails. */
  step(feeds: Tensors): Promise<Record<string, Tensor>>;
  /** A copy of the state, by input name. */
  state(): Promise<Record<string, Tensor>>;
}

/** An ONNX model in a worker thread of its own, so that the event loop stays free. */
export interface RuntimeSession extends AsyncDisposable {
  readonly device: Exclude<Device, "auto">;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * Computes outputs from inputs by name. Throws a RuntimeError when ONNX
   * Runtime fails, and the signal's reason when aborted: the run goes on in the worker and its result is dropped.
   */
  run(feeds: Tensors, options?: RunOptions): Promise<Record<string, Tensor>>;
  /** Starts a loop from float32 tensors by input name; `feedback` says which output becomes which of these inputs. */
  loop(state: Tensors, feedback: Readonly<Record<string, string>>): Promise<SessionLoop>;
  /** Frees the session and ends its thread; may be called again. */
  dispose(): Promise<void>;
}

interface Pending {
  resolve(outputs: Tensors): void;
  reject(error: unknown): void;
}

/** Omit that keeps a union a union. */
type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

let noticed = false;

/** Opens an ONNX model. Throws a RuntimeError when the device is not available or the model cannot be used, and what `after` is rejected with. */
export async function openSession(model: ModelSource, options: SessionOptions = {}): Promise<RuntimeSession> {
  const start: WorkerStart = { model, device: options.device ?? "auto", threads: options.threads ?? availableParallelism(), keepMemory: options.keepMemory ?? true, packWeights: options.packWeights ?? true, optimise: options.optimise ?? "all" };
  const worker = new Worker(new URL("./session-worker.js", import.meta.url), { workerData: start });
  const pending = new Map<number, Pending>();
  let closed: RuntimeError | null = null;
  const settle = (id: number): Pending | undefined => {
    const entry = pending.get(id);
    pending.delete(id);
    // A session that only waits must not keep the process alive.
    if (pending.size === 0) worker.unref();
    return entry;
  };
  const abandon = (error: RuntimeError): void => {
    closed ??= error;
    for (const id of [...pending.keys()]) settle(id)?.reject(error);
  };
  const ready = await new Promise<WorkerReady>((resolve, reject) => {
    worker.on("message", (message: WorkerReply) => {
      if (message.kind === "ready") resolve(message);
      else if (message.kind === "done") settle(message.id)?.resolve(message.outputs);
      else {
        const error = new RuntimeError(message.code, message.message);
        if (message.id === null) {
          // Before the thread's end is noticed, which would hide the reason.
          reject(error);
          void worker.terminate();
        } else settle(message.id)?.reject(error);
      }
    });
    const permit = (): void => worker.postMessage({ kind: "open" } satisfies WorkerPermission);
    if (options.after === undefined) permit();
    else {
      options.after.then(permit, (error: unknown) => {
        reject(error);
        void worker.terminate();
      });
    }
    worker.on("error", (cause) => {
      const error = new RuntimeError("run-failed", `the session's thread failed: ${cause.message}`, { cause });
      reject(error);
      abandon(error);
    });
    worker.on("exit", () => {
      const error = new RuntimeError("session-closed", "the session's thread has ended");
      reject(error);
      abandon(error);
    });
  });
  worker.unref();
  if (ready.fallback && !noticed && options.onNotice) {
    noticed = true;
    options.onNotice("onnxruntime-node is not installed: running on WebAssembly, several times slower. Faster: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node");
  }

  let lastId = 0;
  let lastKey = 0;
  const send = (request: WithoutId<WorkerRequest>, signal?: AbortSignal): Promise<Tensors> => {
    signal?.throwIfAborted();
    if (closed !== null) return Promise.reject(closed);
    const id = ++lastId;
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(signal!.reason);
      signal?.addEventListener("abort", stop, { once: true });
      const finish = (): void => signal?.removeEventListener("abort", stop);
      pending.set(id, {
        resolve: (outputs) => (finish(), resolve(outputs)),
        reject: (error) => (finish(), reject(error)),
      });
      worker.ref();
      worker.postMessage({ ...request, id } satisfies WorkerRequest);
    });
  };
  let disposed: Promise<void> | null = null;
  const dispose = (): Promise<void> => {
    disposed ??= (async () => {
      if (closed !== null) return;
      const released = send({ kind: "close" });
      closed = new RuntimeError("session-closed", "the session is disposed");
      await released.catch(() => undefined);
      await worker.terminate();
    })();
    return disposed;
  };
  return {
    device: ready.device,
    inputNames: ready.inputNames,
    outputNames: ready.outputNames,
    run: async (feeds, { signal, fetches } = {}) => ({ ...(await send({ kind: "run", feeds, fetches: fetches ?? null }, signal)) }),
    loop: async (state, feedback) => {
      const key = ++lastKey;
      await send({ kind: "start-loop", key, state, feedback });
      return {
        step: async (feeds) => ({ ...(await send({ kind: "step", key, feeds })) }),
        state: async () => ({ ...(await send({ kind: "read-state", key })) }),
      };
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}
