import { parentPort, workerData } from "node:worker_threads";
import { augmentPhotos, type Augmentation, type SeededPhoto } from "./augment-job.js";

/** What the worker is asked, and what it answers. */
export interface AugmentRequest {
  readonly id: number;
  readonly photos: readonly SeededPhoto[];
}

const port = parentPort!;
port.on("message", async ({ id, photos }: AugmentRequest) => {
  try {
    const { data, unreadable } = await augmentPhotos(photos, workerData as Augmentation);
    port.postMessage({ id, data, unreadable }, [data.buffer as ArrayBuffer]);
  } catch (error) {
    port.postMessage({ id, message: (error as Error).message });
  }
});
