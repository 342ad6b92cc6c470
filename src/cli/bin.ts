#!/usr/bin/env node
import { main } from "./main.js";

const interrupted = new AbortController();
process.once("SIGINT", () => interrupted.abort());
process.once("SIGTERM", () => interrupted.abort());
// A closed pipe (| head) is reported to the write that meets it; without a listener it would end the process as an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => error.code === "EPIPE" && process.exit(0));
// Nobody reads the messages: the results go on.
process.stderr.on("error", () => undefined);

const { stdin, stdout, stderr, env } = process;
process.exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr, env, signal: interrupted.signal });
// Work that could not be stopped on its way would go on until it is done.
if (interrupted.signal.aborted) process.exit();
