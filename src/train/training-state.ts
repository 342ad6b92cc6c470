import { access } from "node:fs/promises";
import { openCheckpoint } from "../checkpoint/open-checkpoint.js";
import { writeSafetensors } from "../checkpoint/write-safetensors.js";
import type { Tensor } from "../tensor/tensor.js";
import { TrainError } from "./train-error.js";
import type { TrainingState } from "./trainer.js";

/** Where a run stands: the next step of a phase, with weights and moments. */
export interface SavedState {
  readonly phase: number;
  readonly step: number;
  readonly state: TrainingState;
  /** Mean average precision on held-out photos, where the state was kept for it. */
  readonly validation?: number;
}

/** Saves beside and renames: a kill at any moment leaves the last whole state. `stamp` names the configuration. */
export async function saveState(file: string, stamp: string, { phase, step, state, validation }: SavedState): Promise<void> {
  const tensors = [...state].map(([name, tensor]) => ({ name, tensor }));
  await writeSafetensors(file, tensors, { stamp, phase: String(phase), step: String(step), ...(validation !== undefined && { validation: String(validation) }) });
}

/** The saved state, or null where there is none. Throws a TrainError when it belongs to another configuration. */
export async function loadState(file: string, stamp: string): Promise<SavedState | null> {
  try {
    await access(file);
  } catch {
    return null;
  }
  await using checkpoint = await openCheckpoint(file);
  const [phase, step] = [Number(checkpoint.metadata.get("phase")), Number(checkpoint.metadata.get("step"))];
  if (checkpoint.metadata.get("stamp") !== stamp) throw new TrainError("bad-training-state", `${file}: was saved by a run with another configuration; choose another --out, or restore the configuration`);
  const state = new Map<string, Tensor>();
  for (const [name, stored] of checkpoint.tensors) state.set(name, await stored.read());
  const validation = checkpoint.metadata.get("validation");
  return { phase, step, state, ...(validation !== undefined && { validation: Number(validation) }) };
}
