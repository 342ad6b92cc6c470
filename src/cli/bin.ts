#!/usr/bin/env node
import { main } from "./main.js";

const interrupted = new AbortController();
process.once("SIGINT", () => interrupted.abort());
process.once("SIGTERM", () => interrupted.abort());
// A closed pipe (| head) is reported to the write that meets it; without this it would end the process as an error.
for (const stream of [process.stdout, process.stderr]) stream.on("error", (error: NodeJS.ErrnoException) => error.code === "EPIPE" && process.exit(0));

const { stdin, stdout, stderr, env } = process;
process.exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr, env, signal: interrupted.signal });
