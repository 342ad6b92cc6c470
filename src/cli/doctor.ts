import { bytesText, diagnose, type Checked, type Diagnosis } from "../index.js";
import { deviceOf, given, parseCommand, precisionOf, textOf } from "./arguments.js";
import { printable, UsageError, write, type CliIo } from "./io.js";

export const doctorHelp = `ramplus doctor [options]

Tells what is there for tagging photos, tries it, and says what to change: Node, ONNX Runtime and its devices (a product of known
result is computed on each), processor, memory, disk, decoders, models, and a timed run.

  --model DIR|NAME      model of the timed run (default: ramplus-tiny)
  --device DEVICE       as for ramplus tag; one that leaves the work to the CPU is found and said
  --dtype DTYPE         as for ramplus tag
  --json                everything that was found, for programs

Exit codes: 0 photos can be tagged so, 1 they cannot, 2 wrong usage, 3 model unusable, 130 interrupted.
`;

const options = { model: { type: "string" }, device: { type: "string" }, dtype: { type: "string" }, json: { type: "boolean" } } as const;

const exitOf: Readonly<Record<Diagnosis["verdict"], number>> = { works: 0, fails: 1, "model-unusable": 3 };

type Line = readonly [title: string, text: string];

/** A check's finding in words, or why there is none. */
const inWords = <T>(checked: Checked<T>, words: (found: T) => string): string => ("found" in checked ? words(checked.found) : `could not be told: ${checked.problem}`);

function runtimeLines({ runtime, devices }: Diagnosis): Line[] {
  const native = inWords(runtime, ({ native, webAssembly }) => {
    if (native.state === "missing") return `not installed; WebAssembly ${webAssembly}`;
    if (native.state === "broken") return `${native.version} in ${native.folder} does not load: ${native.problem}; WebAssembly ${webAssembly}`;
    const extra = native.providers.filter(({ bundled }) => !bundled).map(({ name }) => name);
    return `${native.version} in ${native.folder}, with ${native.providers.flatMap(({ name, bundled }) => (bundled ? [name] : [])).join(", ")}${extra.length > 0 ? ` (${extra.join(", ")} with libraries of their own)` : ""}; WebAssembly ${webAssembly}`;
  });
  const words = { works: "works", "fell-back": "NOT USED", "wrong-result": "WRONG RESULT", unavailable: "not available" } as const;
  return [["runtime", `ONNX Runtime ${native}`], ...devices.map(({ device, state, problem }): Line => [`  ${device}`, words[state] + (problem === undefined ? "" : `: ${problem}`)])];
}

function machineLines({ cpu, memory, cache }: Diagnosis): Line[] {
  return [
    ["cpu", inWords(cpu, ({ name, cores, limit }) => `${name}, ${cores} ${cores === 1 ? "core" : "cores"}${limit === null ? "" : `, of which the container may use ${limit.toFixed(1)}`}`)],
    ["  features", inWords(cpu, ({ features }) => (features === null ? "not told by this system" : Object.entries(features).map(([feature, present]) => `${present ? "" : "no "}${feature}`).join(", ")))],
    ["memory", inWords(memory, ({ total, available, limit }) => `${bytesText(total)}${limit === null ? "" : `, of which the container may use ${bytesText(limit)}`}; ${bytesText(available)} available`)],
    ["cache", inWords(cache, ({ folder, free }) => `${folder}, ${bytesText(free)} free`)],
  ];
}

function modelLines({ models, run, placement }: Diagnosis): Line[] {
  const described = models.map((model, i): Line => [
    i === 0 ? "models" : "",
    `${model.folder}: ${"problem" in model ? `UNUSABLE: ${model.problem}` : model.precisions.map(({ dtype, parameters, bytes }) => `${dtype} (${(parameters / 1e6).toFixed(1)} M parameters, ${bytesText(bytes)})`).join(", ")}`,
  ]);
  const ms = (time: number): string => `${time.toFixed(0)} ms`;
  const timed = inWords(run, (r) => `${r.model}, ${r.dtype} on ${r.device}: loaded in ${ms(r.loadMs)}, first photo ${ms(r.firstMs)}, then ${ms(r.photoMs)} a photo; ${bytesText(r.peakMemory)} of memory at most`);
  const lines: Line[] = [...described, ["run", "found" in run ? timed : `FAILED: ${run.problem}`]];
  if (placement !== null) lines.push(["  operators", inWords(placement, ({ device, onDevice, onCpu, cpuOperators }) => `${onDevice} on ${device}, ${onCpu} on the CPU${onCpu > 0 ? ` (${cpuOperators.join(", ")})` : ""}`)]);
  return lines;
}

function diagnosisText(diagnosis: Diagnosis): string {
  const { ramplus, node, decoders, advice, verdict } = diagnosis;
  const lines: Line[] = [
    ["ramplus", ramplus],
    ["node", `${node.version} on ${node.platform}${node.supported ? "" : `, TOO OLD: ${node.needed} is needed`}`],
    ...runtimeLines(diagnosis),
    ...machineLines(diagnosis),
    ["decoders", inWords(decoders, ({ sharp, libvips, formats }) => `sharp ${sharp}, libvips ${libvips}: ${formats.join(", ")}`)],
    ...modelLines(diagnosis),
  ];
  const verdictText = { works: "photos can be tagged", fails: "PHOTOS CANNOT BE TAGGED like this", "model-unusable": "THE MODEL CANNOT BE USED" }[verdict];
  const changes = advice.length === 0 ? ["nothing to change"] : ["what to change:", ...advice.map(({ text }) => `- ${printable(text)}`)];
  return `${[...lines.map(([title, text]) => `${title.padEnd(12)}${printable(text)}`), "", verdictText, ...changes].join("\n")}\n`;
}

/** `ramplus doctor`. */
export async function doctorCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("doctor", args, options);
  if (positionals.length > 0) throw new UsageError("doctor takes options only (ramplus doctor --help)");
  const live = io.stderr.isTTY === true;
  const diagnosis = await diagnose({
    ...given({ model: textOf(values["model"]), device: deviceOf(values["device"]), dtype: precisionOf(values["dtype"]) }),
    signal: io.signal,
    onProgress: (what) => live && io.stderr.write(`\r\u001b[Klooking at ${what}`),
  });
  if (live) io.stderr.write("\r\u001b[K");
  await write(io.stdout, values["json"] === true ? `${JSON.stringify(diagnosis, null, 2)}\n` : diagnosisText(diagnosis));
  return exitOf[diagnosis.verdict];
}
