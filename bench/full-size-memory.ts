// What conversion and tagging take at full size, by the operating system's account:
//   npm run check && node .build/bench/full-size-memory.js FOLDER
// FOLDER gets the checkpoint of the reference's case (3.0 GB, made once) and the models; photos are those of the case.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeFullSizeCheckpoint } from "../test/full-size/write-checkpoint.js";
import { shared } from "../test/shared-data.js";

const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: full-size-memory.js FOLDER");
const bin = fileURLToPath(new URL("../src/cli/bin.js", import.meta.url));
// Told by the process itself as it ends: the largest resident set that the system has seen.
const report = `data:text/javascript,process.on("exit",()=>process.stderr.write("peak "+process.resourceUsage().maxRSS+"\\n"))`;

function measure(label: string, args: readonly string[]): void {
  const began = performance.now();
  const { status, stderr } = spawnSync(process.execPath, ["--import", report, bin, ...args], { encoding: "utf8", stdio: ["ignore", "ignore", "pipe"] });
  if (status !== 0) throw new Error(`${label}: ${stderr}`);
  const kibibytes = Number(/^peak (\d+)$/m.exec(stderr)![1]);
  console.log(`${label.padEnd(28)} ${((kibibytes * 1024) / 1e9).toFixed(2)} GB  ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

mkdirSync(folder, { recursive: true });
const checkpoint = join(folder, "full.pth");
if (!existsSync(checkpoint)) await writeFullSizeCheckpoint(checkpoint, { optimizer: true });
const photo = shared("parity/full_size/photos/dogs.jpg");
for (const dtype of ["fp32", "fp16", "q8"]) {
  const model = join(folder, dtype);
  measure(`convert to ${dtype}`, ["convert", checkpoint, "--out", model, "--dtype", dtype]);
  measure(`tag one photo, ${dtype}`, ["tag", photo, "--model", model, "--format", "json"]);
  rmSync(model, { recursive: true });
}
