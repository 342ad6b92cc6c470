// Runs the compiled tests, or those whose path contains an argument: node tools/test.mjs [PART...]
// (Node 20's runner takes no globs.)
import { spawn } from "node:child_process";
import { glob } from "tinyglobby";

const parts = process.argv.slice(2);
const files = (await glob(".build/test/**/*.test.js")).filter((file) => parts.length === 0 || parts.some((part) => file.includes(part))).sort();
if (files.length === 0) {
  console.error(`no tests${parts.length > 0 ? ` match ${parts.join(", ")}` : ": run npm run check first"}`);
  process.exit(1);
}
const child = spawn(process.execPath, ["--test", "--test-reporter=spec", ...files], { stdio: "inherit" });
child.on("close", (code) => process.exit(code ?? 1));
