import { BundleError, packageVersion, RamplusError, RuntimeError } from "../index.js";
import { didYouMean } from "./arguments.js";
import { cacheCommand, cacheHelp } from "./cache.js";
import { calibrateCommand, calibrateHelp } from "./calibrate.js";
import { convertCommand, convertHelp } from "./convert.js";
import { doctorCommand, doctorHelp } from "./doctor.js";
import { dataCommand, dataHelp } from "./data.js";
import { describeCommand, describeHelp } from "./describe.js";
import { evalCommand, evalHelp } from "./eval.js";
import { finetuneCommand, finetuneHelp } from "./finetune.js";
import { infoCommand, infoHelp } from "./info.js";
import { printable, UsageError, write, type CliIo } from "./io.js";
import { pullCommand, pullHelp } from "./pull.js";
import { setupCommand, setupHelp } from "./setup.js";
import { tagCommand, tagHelp } from "./tag.js";
import { teachCommand, teachHelp } from "./teach.js";
import { trainCommand, trainHelp } from "./train.js";
import { vocabCommand, vocabHelp } from "./vocab.js";
import { verifyCommand, verifyHelp } from "./verify.js";

interface Command {
  readonly run: (args: readonly string[], io: CliIo) => Promise<number>;
  readonly help: string;
}

const commands: Readonly<Record<string, Command>> = {
  tag: { run: tagCommand, help: tagHelp },
  pull: { run: pullCommand, help: pullHelp },
  convert: { run: convertCommand, help: convertHelp },
  train: { run: trainCommand, help: trainHelp },
  finetune: { run: finetuneCommand, help: finetuneHelp },
  data: { run: dataCommand, help: dataHelp },
  eval: { run: evalCommand, help: evalHelp },
  calibrate: { run: calibrateCommand, help: calibrateHelp },
  describe: { run: describeCommand, help: describeHelp },
  vocab: { run: vocabCommand, help: vocabHelp },
  teach: { run: teachCommand, help: teachHelp },
  info: { run: infoCommand, help: infoHelp },
  verify: { run: verifyCommand, help: verifyHelp },
  doctor: { run: doctorCommand, help: doctorHelp },
  cache: { run: cacheCommand, help: cacheHelp },
  setup: { run: setupCommand, help: setupHelp },
};

const help = `ramplus: tags for photos, by RAM++

  ramplus tag PATH...                       tag photos, folders, globs, or - for standard input
  ramplus pull NAME                         download and convert an official model
  ramplus convert CHECKPOINT --out DIR      make a model folder from an official checkpoint
  ramplus train CONFIG                      train a model
  ramplus finetune MODEL PHOTOS --out DIR   train a model further on labelled photos
  ramplus data parse|vocab|inspect|engine   captions to tags; a look at a data set; labels improved by a model
  ramplus eval MODEL PHOTOS --labels FILE   measure a model on labelled photos, sets, benchmarks
  ramplus calibrate MODEL PHOTOS            fit thresholds to labelled photos
  ramplus describe TAG... --out FILE        ask a language model what tags look like
  ramplus vocab build NAME                  make a bank of tags of your own; list, show, merge, diff, export
  ramplus teach TAG PHOTOS                  learn a tag from ten photos
  ramplus info [MODEL]                      check and describe a model folder
  ramplus verify MODEL --against FILE       compare with a run of the original
  ramplus doctor                            what works here, and what to change
  ramplus cache [clean]                     show and free what was downloaded
  ramplus setup cuda                        fetch what NVIDIA GPUs need on Linux

ramplus COMMAND --help lists a command's options; ramplus --version prints the version.
`;

/** Exit codes of the command line. */
const exit = { ok: 0, usage: 2, model: 3, interrupted: 130, failed: 1 } as const;

/** Runs a command line; gives the exit code. Only the bin file touches the process. */
export async function main(argv: readonly string[], io: CliIo): Promise<number> {
  const [name, ...args] = argv;
  try {
    if (name === undefined) {
      await write(io.stderr, help);
      return exit.usage;
    }
    if (name === "--help" || name === "-h" || name === "help") {
      await write(io.stdout, commands[args[0] ?? ""]?.help ?? help);
      return exit.ok;
    }
    if (name === "--version" || name === "-V") {
      await write(io.stdout, `${packageVersion()}\n`);
      return exit.ok;
    }
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined) throw new UsageError(`unknown command ${name}${didYouMean(name, Object.keys(commands))} (ramplus --help lists them)`);
    const end = args.indexOf("--");
    if ((end < 0 ? args : args.slice(0, end)).some((arg) => arg === "--help" || arg === "-h")) {
      await write(io.stdout, command.help);
      return exit.ok;
    }
    return await command.run(args, io);
  } catch (error) {
    if (io.signal.aborted) return exit.interrupted;
    // The reader of a pipe has gone (| head): nothing is wrong.
    if ((error as NodeJS.ErrnoException).code === "EPIPE") return exit.ok;
    io.stderr.write(`ramplus: ${wording(error)}\n`);
    if (io.env["RAMPLUS_DEBUG"] && error instanceof Error) io.stderr.write(`${error.stack}\n`);
    if (error instanceof UsageError || (error instanceof RamplusError && error.code === "bad-option")) return exit.usage;
    return error instanceof BundleError || error instanceof RuntimeError ? exit.model : exit.failed;
  }
}

function wording(error: unknown): string {
  if (error instanceof UsageError) return printable(error.message);
  if (error instanceof RamplusError) return `${error.message.split("\n").map(printable).join("\n  ")} (${error.code})`;
  // A file or folder that the system refuses: no fault of the program.
  if (error instanceof Error && "syscall" in error) return `${printable(error.message)} (${(error as NodeJS.ErrnoException).code})`;
  return `unexpected: ${printable(error instanceof Error ? error.message : String(error))} (RAMPLUS_DEBUG=1 shows where)`;
}
