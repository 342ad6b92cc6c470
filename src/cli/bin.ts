#!/usr/bin/env node
import { main } from "./main.js";

const interrupted = new AbortController();
let since = 0;
/** The first signal asks for an end; one that comes later, when that takes too long, ends the process. npx sends each signal twice. */
const interrupt = (): void => {
  if (!interrupted.signal.aborted) since = performance.now();
  else if (performance.now() - since > 1000) process.exit(130);
  interrupted.abort();
};
process.on("SIGINT", interrupt);
process.on("SIGTERM", interrupt);
// A closed pipe (| head) is reported to the write that meets it; without a listener it would end the process as an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => error.code === "EPIPE" && process.exit(0));
// Nobody reads the messages: the results go on.
process.stderr.on("error", () => undefined);

const { stdin, stdout, stderr, env } = process;
process.exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr, env, signal: interrupted.signal });
// Work that could not be stopped on its way would go on until it is done.
if (interrupted.signal.aborted) process.exit();
