import { describeByTemplates, describeTags, openAiBaseUrl, planDescriptions, promptsFor, readTextList, type DescribePlan, type DescribeResult, type Endpoint } from "../index.js";
import { countOf, given, parseCommand, textOf } from "./arguments.js";
import { printable, UsageError, write, type CliIo } from "./io.js";

export const describeHelp = `ramplus describe TAG... --out FILE [options]

Asks a language model what tags look like, as RAM++'s authors did: five prompts of ten answers each, and "a photo of a TAG.".
Any server with OpenAI's chat completions will do. The answers are kept as they come: the same command goes on after an interruption.

  --out FILE            the descriptions, JSON: [{"tag": ["a text", ...]}, ...]
  --file TAGS.txt       tags from a file, one a line
  --base-url URL        the server (default: OPENAI_BASE_URL, else ${openAiBaseUrl})
  --model NAME          the model to ask (default: OPENAI_MODEL)
  --key-env NAME        the environment variable that holds the key (default: OPENAI_API_KEY)
  --no-key              send no key
  --dry-run             show what would be asked and the estimate, and ask nothing
  --price-in P          price of a million tokens of prompts, for the estimate
  --price-out P         price of a million tokens of answers
  --answers N           answers to each prompt (default: 10)
  --max-tokens N        tokens of an answer at most (default: 77)
  --temperature T       0 to 2 (default: 0.99)
  --concurrency N       requests at the same time (default: 4)
  --templates           ask nobody: write the 63 templates of RAM's open set
  --force               write over a file that is there

A key is never taken from the command line, where others on the machine see it.
Exit codes: 0 all described, 1 some could not be, 2 wrong usage, 130 interrupted.
`;

const options = {
  out: { type: "string" },
  file: { type: "string" },
  "base-url": { type: "string" },
  model: { type: "string" },
  "key-env": { type: "string" },
  "no-key": { type: "boolean" },
  "dry-run": { type: "boolean" },
  "price-in": { type: "string" },
  "price-out": { type: "string" },
  answers: { type: "string" },
  "max-tokens": { type: "string" },
  temperature: { type: "string" },
  concurrency: { type: "string" },
  templates: { type: "boolean" },
  force: { type: "boolean" },
} as const;

type Values = ReturnType<typeof parseCommand>["values"];

/** `ramplus describe`. */
export async function describeCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("describe", args, options);
  const out = textOf(values["out"]);
  if (out === undefined) throw new UsageError("describe needs --out FILE");
  const tags = await tagsOf(positionals, textOf(values["file"]));
  const force = values["force"] === true;
  if (values["templates"] === true) {
    await describeByTemplates(tags, out, { force });
    await write(io.stdout, `${printable(out)}: ${count(tags.length, "tag")} by templates\n`);
    return 0;
  }
  const endpoint = endpointOf(values, io.env);
  const asking = {
    force,
    ...given({ answers: countOf("answers", values["answers"], 100), maxTokens: countOf("max-tokens", values["max-tokens"], 100_000), temperature: numberOf("temperature", values["temperature"], 2) }),
    ...given({ concurrency: countOf("concurrency", values["concurrency"], 64) }),
  };
  const prices = { in: numberOf("price-in", values["price-in"], 1e6), out: numberOf("price-out", values["price-out"], 1e6) };
  const plan = await planDescriptions(tags, out, endpoint, asking);
  const estimate = estimateText(plan, prices);
  if (values["dry-run"] === true) {
    await write(io.stdout, `${estimate}\n${promptsFor(tags[0]!).map((prompt) => `  ${printable(prompt)}\n`).join("")}`);
    return 0;
  }
  io.stderr.write(`ramplus: ${estimate}\n`);
  const terminal = io.stderr.isTTY === true;
  const clear = (): void => void (terminal && io.stderr.write("\r\u001b[K"));
  try {
    const result = await describeTags(tags, out, endpoint, {
      ...asking,
      signal: io.signal,
      onProgress: (done, total) => void (terminal && io.stderr.write(`\r${done} of ${total} prompts`)),
      onNotice: (line) => void io.stderr.write(`ramplus: ${line}\n`),
    });
    clear();
    return await report(result, tags.length, io);
  } catch (error) {
    clear();
    if (plan.requests > 0) io.stderr.write(`ramplus: what was answered is kept in ${printable(out)}.part: the same command goes on\n`);
    throw error;
  }
}

async function report({ file, described, failed, usage }: DescribeResult, tags: number, io: CliIo): Promise<number> {
  for (const { tag, error } of failed) io.stderr.write(`ramplus: ${printable(tag)}: ${printable(error.message)} (${error.code})\n`);
  const used = usage.input + usage.output > 0 ? `; ${usage.input} tokens asked, ${usage.output} answered` : "";
  if (described > 0) await write(io.stdout, `${printable(file)}: ${count(described, "tag")}${used}\n`);
  if (failed.length === 0) return 0;
  io.stderr.write(`ramplus: ${failed.length} of ${count(tags, "tag")} failed: the same command asks for them again\n`);
  return 1;
}

async function tagsOf(positionals: readonly string[], file: string | undefined): Promise<string[]> {
  const tags = [...positionals, ...(file === undefined ? [] : await readTextList(file))].map((tag) => tag.trim());
  if (tags.length === 0) throw new UsageError("describe needs a TAG, or --file TAGS.txt (ramplus describe --help)");
  return [...new Set(tags)];
}

function endpointOf(values: Values, env: CliIo["env"]): Endpoint {
  const model = textOf(values["model"]) ?? env["OPENAI_MODEL"];
  if (model === undefined || model === "") throw new UsageError("describe needs --model NAME: the model to ask (or --templates)");
  return { baseUrl: textOf(values["base-url"]) ?? (env["OPENAI_BASE_URL"] || openAiBaseUrl), model, key: keyOf(values, env) };
}

function keyOf(values: Values, env: CliIo["env"]): string | null {
  const named = textOf(values["key-env"]);
  if (values["no-key"] === true) {
    if (named !== undefined) throw new UsageError("--no-key and --key-env exclude each other");
    return null;
  }
  // What was given is not shown: it may be the key itself.
  if (named !== undefined && !env[named]?.trim()) throw new UsageError("--key-env: there is no environment variable of this name, or it is empty; it takes the variable's name, not the key");
  return env[named ?? "OPENAI_API_KEY"]?.trim() || null;
}

function numberOf(name: string, value: string | boolean | undefined, most: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string" || !/^(\d+\.?\d*|\.\d+)$/.test(value) || Number(value) > most) throw new UsageError(`--${name} ${String(value)}: expected a number from 0 to ${most}`);
  return Number(value);
}

function estimateText({ tags, done, requests, inputTokens, outputTokens }: DescribePlan, prices: { readonly in: number | undefined; readonly out: number | undefined }): string {
  const kept = done > 0 ? ` (${done} of them answered already)` : "";
  const price = prices.in === undefined && prices.out === undefined ? "" : `, at most ${(((prices.in ?? 0) * inputTokens + (prices.out ?? 0) * outputTokens) / 1e6).toFixed(2)} at the given prices`;
  return `${count(tags, "tag")}${kept}: ${count(requests, "request")}, about ${inputTokens} tokens of prompts and at most ${outputTokens} of answers${price}`;
}

const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`;
