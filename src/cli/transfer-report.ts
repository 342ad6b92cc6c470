import { bytesText, type TransferProgress } from "../index.js";
import { printable, type CliIo } from "./io.js";
import { durationText } from "./quantities.js";

/** Into a file or pipe a line at least so many seconds apart. */
const sparse = 30;

const words = { waiting: "waiting for another process", checking: "checking what is here", downloading: "downloading", done: "done" } as const;

interface TransferReport extends Disposable {
  readonly show: (progress: TransferProgress) => void;
}

/** Shows transfers on standard error: one line that changes on a terminal, a line now and then elsewhere. Disposing ends a line that is open. */
export function transferReport({ stderr }: Pick<CliIo, "stderr">): TransferReport {
  const live = stderr.isTTY === true;
  let [last, lastTime, open] = ["", 0, false];
  const show = (progress: TransferProgress): void => {
    const { phase, file, received, total, bytesPerSecond, secondsLeft } = progress;
    const moving = phase === "downloading" && bytesPerSecond > 0 ? `  ${bytesText(bytesPerSecond)}/s  ${durationText(secondsLeft)} left` : "";
    const amount = phase === "waiting" ? "" : `  ${bytesText(received)} of ${bytesText(total)}`;
    const line = `${printable(file)}: ${words[phase]}${amount}${moving}`;
    if (live) {
      const width = Math.max((stderr.columns ?? 80) - 1, 20);
      open = phase !== "done";
      stderr.write(`\r${line.slice(0, width)}\u001b[K${open ? "" : "\n"}`);
      return;
    }
    const now = performance.now();
    const changed = `${file} ${phase}`;
    if (changed === last && now - lastTime < sparse * 1000) return;
    [last, lastTime] = [changed, now];
    stderr.write(`${line}\n`);
  };  return {
    show,
    [Symbol.dispose]() {
      if (open) stderr.write("\n");
    },
  };
}
