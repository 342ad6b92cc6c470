import { DescribeError } from "./describe-error.js";
import { requestUrl, type Endpoint } from "./endpoint.js";

export interface ChatRequest {
  readonly prompt: string;
  /** Answers wanted. A server may give fewer. */
  readonly count: number;
  readonly maxTokens: number;
  readonly temperature: number;
}

export interface ChatReply {
  /** One to `count` answers, trimmed, none blank. */
  readonly answers: readonly string[];
  /** Tokens as the server counts them, where it does. */
  readonly usage: { readonly input: number; readonly output: number } | null;
}

export interface ChatClient {
  /** Asks once. Throws a DescribeError, and the signal's reason when aborted. */
  ask(request: ChatRequest, signal?: AbortSignal): Promise<ChatReply>;
}

/** Ten answers of 77 tokens have about 4 kB. */
const largestReply = 1024 * 1024;
const longestAnswer = 4_000;
const longestWait = 120_000;

/** Parameters that some models refuse; the answer to the first request that carries one tells. */
type Refusable = "max_tokens" | "temperature" | "n";

/** A client of an endpoint. Redirects are not followed: the key goes to the server that was named and no other. Throws as `requestUrl`. */
export function chatClient(endpoint: Endpoint): ChatClient {
  const url = requestUrl(endpoint);
  const { key, model } = endpoint;
  const refused = new Set<Refusable>();
  const hidden = (text: string): string => (key === null ? text : text.replaceAll(key, "[key]"));
  const fail = (code: DescribeError["code"], problem: string, retryAfter?: number): DescribeError => new DescribeError(code, hidden(`${url.origin}: ${problem}`), retryAfter);

  const bodyOf = ({ prompt, count, maxTokens, temperature }: ChatRequest): string =>
    JSON.stringify({
      model,
      messages: [{ role: "user", content: prompt }],
      [refused.has("max_tokens") ? "max_completion_tokens" : "max_tokens"]: maxTokens,
      ...(!refused.has("temperature") && { temperature }),
      ...(!refused.has("n") && { n: count }),
    });

  const send = async (body: string, signal: AbortSignal | undefined): Promise<{ response: Response; text: string }> => {
    const late = AbortSignal.timeout(longestWait);
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json", ...(key !== null && { authorization: `Bearer ${key}` }) },
        body,
        redirect: "manual",
        signal: signal === undefined ? late : AbortSignal.any([signal, late]),
      });
      return { response, text: await readLimited(response, () => fail("bad-answer", `the answer is larger than ${largestReply} bytes`)) };
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof DescribeError) throw cause;
      // fetch says "fetch failed" and keeps the reason one level down.
      const reason = ((cause as Error).cause as Error | undefined)?.message || (cause as Error).message;
      throw fail("unreachable", late.aborted ? `no answer within ${longestWait / 1000} seconds` : `cannot be reached: ${reason}`);
    }
  };

  const failureOf = (response: Response, text: string): DescribeError => {
    const { status, headers } = response;
    // Before it is shortened, which could leave a part of the key.
    const { message, code } = errorOf(hidden(text));
    const said = message === "" ? "" : `: ${message}`;
    if (status >= 300 && status < 400) return fail("redirected", `redirects to ${originOf(headers.get("location"), url)}, where the key is not sent; give that server as the base URL if it is the right one`);
    if (status === 401 || status === 403) return fail("unauthorised", `refuses the key (${status})${said}`);
    if (status === 404) return fail("no-such-model", `has no model ${JSON.stringify(model)}, or the base URL is wrong (404)${said}`);
    if (status === 402 || code === "insufficient_quota") return fail("quota-exhausted", `the account has no credit left (${status})${said}`);
    const after = retryAfter(headers.get("retry-after"));
    if (status === 429) return fail("rate-limited", `too many requests (429)${said}`, after);
    if (status >= 500 || status === 408 || status === 409) return fail("server-failed", `the server failed (${status})${said}`, after);
    return fail("request-refused", `refuses the request (${status})${said}`);
  };

  const ask = async (request: ChatRequest, signal?: AbortSignal): Promise<ChatReply> => {
    const body = bodyOf(request);
    const { response, text } = await send(body, signal);
    if (response.status === 200) return parseReply(text, request.count, hidden, (problem) => fail("bad-answer", problem));
    const parameter = response.status === 400 ? refusedParameter(errorOf(text).parameter) : null;
    if (parameter !== null) refused.add(parameter);
    // Another request may have learnt of it meanwhile; what counts is that this one would now be another.
    if (parameter !== null && bodyOf(request) !== body) return ask(request, signal);
    throw failureOf(response, text);
  };
  return { ask };
}

async function readLimited(response: Response, tooLarge: () => DescribeError): Promise<string> {
  if (response.body === null) return "";
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > largestReply) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseReply(text: string, count: number, hidden: (text: string) => string, bad: (problem: string) => DescribeError): ChatReply {
  const json = parseJson(text);
  if (json === undefined) throw bad(`the answer is not JSON: ${JSON.stringify(hidden(text).slice(0, 80))}`);
  const choices = isObject(json) ? json["choices"] : undefined;
  if (!Array.isArray(choices) || choices.length === 0) throw bad("the answer has no choices: expected those of OpenAI's chat completions");
  const contents = choices.map((choice: unknown) => (isObject(choice) && isObject(choice["message"]) ? choice["message"]["content"] : undefined));
  // A server that repeats the key is not quoted: what it says goes into a file.
  const answers = contents.filter((c): c is string => typeof c === "string" && c.trim() !== "" && c.length <= longestAnswer && hidden(c) === c).map((c) => c.trim());
  if (answers.length === 0) throw bad(`none of the ${choices.length} choices has a text of 1 to ${longestAnswer} characters; a model that thinks first needs more tokens an answer`);
  return { answers: answers.slice(0, count), usage: usageOf(json as Readonly<Record<string, unknown>>) };
}

function usageOf(json: Readonly<Record<string, unknown>>): ChatReply["usage"] {
  const usage = json["usage"];
  if (!isObject(usage)) return null;
  const { prompt_tokens: input, completion_tokens: output } = usage;
  return typeof input === "number" && typeof output === "number" ? { input, output } : null;
}

/** What a server says of its failure, shortened; servers other than OpenAI's have other forms, which say nothing. */
function errorOf(text: string): { message: string; code: string; parameter: string } {
  const json = parseJson(text);
  const error = isObject(json) && isObject(json["error"]) ? json["error"] : {};
  const word = (name: string): string => (typeof error[name] === "string" ? error[name] : "");
  return { message: word("message").slice(0, 300), code: word("code"), parameter: word("param") };
}

function refusedParameter(name: string): Refusable | null {
  return name === "max_tokens" || name === "temperature" || name === "n" ? name : null;
}

function originOf(location: string | null, from: URL): string {
  return location !== null && URL.canParse(location, from) ? new URL(location, from).origin : "an unknown address";
}

/** Milliseconds that a Retry-After header asks for: seconds, or a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d+(\.\d+)?$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
