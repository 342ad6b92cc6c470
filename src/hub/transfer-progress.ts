/** How far a file is. */
export interface TransferProgress {
  /** "checking" reads what an earlier run left; "waiting" is for another process that fetches the same file. */
  readonly phase: "waiting" | "checking" | "downloading" | "done";
  /** The file, for people. */
  readonly file: string;
  /** Bytes that are here, or were checked. */
  readonly received: number;
  readonly total: number;
  readonly bytesPerSecond: number;
  /** Infinite while nothing moves. */
  readonly secondsLeft: number;
}

/** Reports at most so often, in milliseconds; a change of phase at once. */
const interval = 200;
/** The rate is that of about the last seconds. */
const window = 5000;

/** Makes reports of a transfer, with the rate of the last seconds. */
export function progressMeter(file: string, total: number, report: ((progress: TransferProgress) => void) | undefined): (phase: TransferProgress["phase"], received: number) => void {
  let samples: { readonly time: number; readonly received: number }[] = [];
  let [lastPhase, lastTime] = ["", 0];
  return (phase, received) => {
    if (report === undefined) return;
    const time = performance.now();
    if (phase !== lastPhase) samples = [];
    else if (time - lastTime < interval) return;
    [lastPhase, lastTime] = [phase, time];
    samples.push({ time, received });
    while (samples.length > 2 && time - samples[0]!.time > window) samples.shift();
    const first = samples[0]!;
    const bytesPerSecond = time > first.time ? ((received - first.received) / (time - first.time)) * 1000 : 0;
    report({ phase, file, received, total, bytesPerSecond, secondsLeft: (total - received) / bytesPerSecond });
  };
}
