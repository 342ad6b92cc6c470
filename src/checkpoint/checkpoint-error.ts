import { RamplusError } from "../error.js";
import { formatShape, type Shape } from "../tensor/shape.js";

/** Everything that can be wrong with a checkpoint, each with its facts. */
export type CheckpointFault =
  | { readonly code: "not-found" }
  | { readonly code: "unreadable"; readonly problem: string }
  | { readonly code: "unwritable"; readonly problem: string }
  | { readonly code: "not-a-checkpoint"; readonly problem: string }
  | { readonly code: "truncated"; readonly needed: number; readonly available: number }
  | { readonly code: "too-large"; readonly what: string; readonly actual: number; readonly limit: number }
  | { readonly code: "bad-header"; readonly problem: string }
  | { readonly code: "bad-npy"; readonly problem: string }
  | { readonly code: "bad-archive"; readonly problem: string }
  | { readonly code: "compressed-entry"; readonly entry: string }
  | { readonly code: "bad-pickle"; readonly offset: number; readonly problem: string }
  | { readonly code: "unsupported-opcode"; readonly opcode: number; readonly offset: number }
  | { readonly code: "forbidden-global"; readonly global: string }
  | { readonly code: "big-endian" }
  | { readonly code: "no-weights" }
  | { readonly code: "missing-storage"; readonly tensor: string; readonly storage: string }
  | { readonly code: "wrong-storage-size"; readonly storage: string; readonly expected: number; readonly actual: number }
  | { readonly code: "tensor-outside-storage"; readonly tensor: string; readonly end: number; readonly elements: number }
  | { readonly code: "unsupported-dtype"; readonly tensor: string; readonly dtype: string }
  | { readonly code: "duplicate-name"; readonly tensor: string }
  | { readonly code: "missing-tensor"; readonly tensor: string; readonly expected: Shape }
  | { readonly code: "unexpected-tensor"; readonly tensor: string; readonly actual: Shape }
  | { readonly code: "wrong-shape"; readonly tensor: string; readonly expected: Shape; readonly actual: Shape }
  | { readonly code: "wrong-dtype"; readonly tensor: string; readonly actual: string };

/** The English sentence of a fault, without the file's name. */
export function describeFault(fault: CheckpointFault): string {
  switch (fault.code) {
    case "not-found":
      return "no such file";
    case "unreadable":
      return `cannot be read: ${fault.problem}`;
    case "unwritable":
      return `cannot be written: ${fault.problem}`;
    case "not-a-checkpoint":
      return `is no checkpoint: ${fault.problem}; expected a PyTorch file (.pth) or .safetensors`;
    case "truncated":
      return `ends too early: ${fault.needed} bytes are needed, ${fault.available} are there; download or copy it again`;
    case "too-large":
      return `${fault.what}: ${fault.actual} is over the limit of ${fault.limit}`;
    case "bad-header":
      return `damaged safetensors header: ${fault.problem}`;
    case "bad-npy":
      return `is no NumPy file (.npy) that can be read: ${fault.problem}`;
    case "bad-archive":
      return `damaged zip archive: ${fault.problem}`;
    case "compressed-entry":
      return `entry ${fault.entry} is compressed, which PyTorch never writes; unpack the archive and pack it again without compression (zip -0)`;
    case "bad-pickle":
      return `damaged pickle at byte ${fault.offset}: ${fault.problem}`;
    case "unsupported-opcode":
      return `pickle opcode 0x${fault.opcode.toString(16).padStart(2, "0")} at byte ${fault.offset} is none that a checkpoint of weights needs`;
    case "forbidden-global":
      return `the pickle asks for ${fault.global}; only tensors and plain values are read, and nothing is ever executed. Save the weights alone (torch.save of the state dict), or as .safetensors`;
    case "big-endian":
      return "written on a big-endian machine; convert it to .safetensors there";
    case "no-weights":
      return "holds no weights: expected tensors by name at the top, under 'model' or under 'state_dict'";
    case "missing-storage":
      return `tensor ${fault.tensor}: its storage ${fault.storage} is not in the file`;
    case "wrong-storage-size":
      return `storage ${fault.storage}: expected ${fault.expected} bytes, received ${fault.actual}`;
    case "tensor-outside-storage":
      return `tensor ${fault.tensor}: reaches to element ${fault.end} of a storage of ${fault.elements}`;
    case "unsupported-dtype":
      return `tensor ${fault.tensor}: element type ${fault.dtype} is not supported`;
    case "duplicate-name":
      return `tensor ${fault.tensor}: the name occurs twice`;
    case "missing-tensor":
      return `tensor ${fault.tensor}: missing, expected shape ${formatShape(fault.expected)}`;
    case "unexpected-tensor":
      return `tensor ${fault.tensor}: unexpected, shape ${formatShape(fault.actual)}`;
    case "wrong-shape":
      return `tensor ${fault.tensor}: expected shape ${formatShape(fault.expected)}, received ${formatShape(fault.actual)}`;
    case "wrong-dtype":
      return `tensor ${fault.tensor}: expected floating-point weights, received ${fault.actual}`;
  }
}

/** Lines of a message; the others are counted, and all are in `faults`. */
const listedFaults = 20;

/** A checkpoint that cannot be read, written or used: the file, and one fault or several of the same moment. */
export class CheckpointError extends RamplusError {
  override readonly name = "CheckpointError";
  override readonly code: CheckpointFault["code"];
  /** The first fault. */
  readonly fault: CheckpointFault;
  /** All faults; one except where weights are compared with a network's. */
  readonly faults: readonly CheckpointFault[];

  constructor(
    readonly file: string,
    faults: CheckpointFault | readonly [CheckpointFault, ...CheckpointFault[]],
    options?: ErrorOptions,
  ) {
    const all = "code" in faults ? ([faults] as const) : faults;
    super(message(file, all), options);
    this.faults = all;
    this.fault = all[0];
    this.code = all[0].code;
  }
}

function message(file: string, faults: readonly CheckpointFault[]): string {
  if (faults.length === 1) return `${file}: ${describeFault(faults[0]!)}`;
  const lines = faults.slice(0, listedFaults).map((fault) => `  ${describeFault(fault)}`);
  if (faults.length > listedFaults) lines.push(`  and ${faults.length - listedFaults} more`);
  return `${file}: ${faults.length} faults\n${lines.join("\n")}`;
}
