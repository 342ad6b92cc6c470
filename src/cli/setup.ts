import { bytesText, RuntimeError, setupCuda, Tagger, type SetupCudaResult } from "../index.js";
import { given, parseCommand } from "./arguments.js";
import { UsageError, write, type CliIo } from "./io.js";
import { transferReport } from "./transfer-report.js";

export const setupHelp = `ramplus setup cuda [--offline]

Fetches ONNX Runtime's CUDA libraries that match the installed version into the cache, verified, and tries them:
then --device cuda runs on an NVIDIA GPU. Linux x64; NVIDIA's driver, CUDA and cuDNN are yours to install.
`;

/** `ramplus setup`. */
export async function setupCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("setup", args, { offline: { type: "boolean" } });
  if (positionals.length !== 1 || positionals[0] !== "cuda") throw new UsageError("setup needs what to set up: ramplus setup cuda");
  const { version, folder, from } = await fetchLibraries(values["offline"] === true, io);
  await write(io.stdout, `${folder}: CUDA libraries of ONNX Runtime ${version}${from === "cache" ? ", there already" : ""}\n`);
  try {
    await using tagger = await Tagger.load(undefined, { device: "cuda", signal: io.signal });
    await write(io.stdout, `device ${tagger.device} works\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    // The libraries are there, which was asked for; whether the system has the rest is another matter.
    io.stderr.write(`ramplus: not yet usable: ${error.message}\n`);
    return 0;
  }
}

async function fetchLibraries(offline: boolean, io: CliIo): Promise<SetupCudaResult> {
  using report = transferReport(io);
  return await setupCuda({
    ...given({ offline: offline ? true : undefined }),
    signal: io.signal,
    onProgress: report.show,
    onStart: ({ name, version, bytes }) => void io.stderr.write(`ramplus: fetching ${name} ${version}, ${bytesText(bytes)}\n`),
  });
}
