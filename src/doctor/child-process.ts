import { RamplusError } from "../error.js";
import type { ChildFindings, ChildReply, ChildTask } from "./child-task.js";

async function perform(task: ChildTask): Promise<ChildFindings[ChildTask["kind"]]> {
  switch (task.kind) {
    case "runtime":
      return (await import("../runtime/inspect-runtime.js")).inspectRuntime();
    case "decoders":
      return (await import("../image/inspect-decoders.js")).inspectDecoders();
    case "device":
      return (await import("./probe-device.js")).probeDevice(task.device);
    case "run":
      return (await import("./timed-run.js")).timedRun(task);
    case "placement":
      return (await import("./placement.js")).placementOf(task);
  }
}

const task = JSON.parse(process.argv[2]!) as ChildTask;
const reply = await perform(task).then(
  (found): ChildReply => ({ found }),
  (error: unknown): ChildReply => ({ problem: error instanceof Error ? error.message : String(error), code: error instanceof RamplusError ? error.code : "unexpected" }),
);
// Sessions and threads that are still open end with the process.
process.send!(reply, () => process.exit());
