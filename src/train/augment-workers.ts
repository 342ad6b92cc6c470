import { Worker } from "node:worker_threads";
import type { Augmentation, AugmentedPhotos, SeededPhoto } from "./augment-job.js";
import type { AugmentRequest } from "./augment-worker.js";

/** Threads that decode and augment photos ahead of the training step. */
export interface AugmentWorkers extends AsyncDisposable {
  augment(photos: readonly SeededPhoto[]): Promise<AugmentedPhotos>;
}

interface Pending {
  resolve(photos: AugmentedPhotos): void;
  reject(error: Error): void;
}

/** Starts threads for one way of augmenting; requests go to them in turn. */
export function openAugmentWorkers(augmentation: Augmentation, count: number): AugmentWorkers {
  const pending = new Map<number, Pending>();
  const workers = Array.from({ length: count }, () => new Worker(new URL("./augment-worker.js", import.meta.url), { workerData: augmentation }));
  for (const worker of workers) {
    worker.on("message", ({ id, message, ...photos }: { id: number; message?: string } & AugmentedPhotos) => {
      const { resolve, reject } = pending.get(id)!;
      pending.delete(id);
      if (message === undefined) resolve(photos);
      else reject(new Error(message));
    });
    worker.on("error", (error) => {
      for (const { reject } of pending.values()) reject(error);
      pending.clear();
    });
  }
  let requests = 0;
  return {
    augment: (photos) =>
      new Promise((resolve, reject) => {
        const id = requests++;
        pending.set(id, { resolve, reject });
        workers[id % count]!.postMessage({ id, photos } satisfies AugmentRequest);
      }),
    [Symbol.asyncDispose]: async () => void (await Promise.all(workers.map((worker) => worker.terminate()))),
  };
}
