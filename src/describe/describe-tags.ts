import { seededRandom, type Random } from "../tensor/random.js";
import { writeDescriptions, type Description } from "../vocab/descriptions.js";
import { photoText } from "../vocab/prompt-templates.js";
import { chatClient, type ChatClient } from "./chat-client.js";
import { checkAbsent, checkTags } from "./check-request.js";
import { DescribeError, stopsAll } from "./describe-error.js";
import { requestUrl, type Endpoint } from "./endpoint.js";
import { openJournal, readJournal, removeJournal, type Journal, type JournalSettings } from "./journal.js";
import { promptsFor } from "./prompts.js";
import { retryingClient, systemClock, type Clock } from "./retry.js";

export interface DescribeOptions {
  /** Answers to each of the five prompts. @default 10 */
  readonly answers?: number;
  /** Tokens of an answer at most. @default 77, what the text encoder reads */
  readonly maxTokens?: number;
  /** @default 0.99, as in the reference */
  readonly temperature?: number;
  /** Write over a file that is there. @default false */
  readonly force?: boolean;
  /** Requests at the same time. @default 4 */
  readonly concurrency?: number;
  /** Requests at most for one reply, those that fail included. @default 6 */
  readonly attempts?: number;
  readonly signal?: AbortSignal;
  /** Told after each reply how many of the prompts are answered. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Told what may surprise, in a line for people. */
  readonly onNotice?: (line: string) => void;
  /** @default the system's */
  readonly clock?: Clock;
  /** Where the pauses' random part comes from. @default a fresh generator */
  readonly random?: Random;
}

/** What is left to ask. */
export interface DescribePlan {
  readonly tags: number;
  /** Tags whose answers the journal has already. */
  readonly done: number;
  /** Requests, if the server gives all answers of a prompt at once. */
  readonly requests: number;
  /** Tokens of the requests, at four characters a token and eight around a message. */
  readonly inputTokens: number;
  /** Tokens of the answers at most. */
  readonly outputTokens: number;
}

export interface DescribeResult {
  readonly file: string;
  /** Tags that are in the file. */
  readonly described: number;
  /** Tags that are not, each with the reason; their other answers are kept for the next call. */
  readonly failed: readonly { readonly tag: string; readonly error: DescribeError }[];
  /** Tokens as the server counted them, in this call. */
  readonly usage: { readonly input: number; readonly output: number };
}

/** Tokens that the form of a message costs beside its text, roughly. */
const messageTokens = 8;

const journalFile = (out: string): string => `${out}.part`;

function settingsOf({ model }: Endpoint, { answers = 10, maxTokens = 77, temperature = 0.99 }: DescribeOptions): JournalSettings {
  return { model, answers, maxTokens, temperature };
}

/**
 * What `describeTags` would ask, without asking. Throws a DescribeError: bad-option (no tags, a tag that is none or comes twice), bad-endpoint,
 * no-key, bad-key, exists (the file is there, and no journal to go on with), bad-journal, journal-mismatch.
 */
export async function planDescriptions(tags: readonly string[], out: string, endpoint: Endpoint, options: DescribeOptions = {}): Promise<DescribePlan> {
  checkTags(tags);
  requestUrl(endpoint);
  const settings = settingsOf(endpoint, options);
  const journal = await readJournal(journalFile(out), settings);
  if (journal === null && options.force !== true) await checkAbsent(out);
  const asked = new Set(tags);
  const other = [...(journal?.tags ?? [])].find((tag) => !asked.has(tag));
  if (other !== undefined) throw new DescribeError("journal-mismatch", `${journalFile(out)}: holds answers for ${JSON.stringify(other)}, which is not among the tags: give all the tags that it was begun with, or remove the file to begin anew`);
  const open = tags.flatMap((tag) => promptsFor(tag).map((prompt) => ({ tag, prompt, missing: missingAnswers(journal, tag, prompt, settings.answers) }))).filter(({ missing }) => missing > 0);
  return {
    tags: tags.length,
    done: tags.length - new Set(open.map(({ tag }) => tag)).size,
    requests: open.length,
    inputTokens: open.reduce((sum, { prompt }) => sum + Math.ceil(prompt.length / 4) + messageTokens, 0),
    outputTokens: open.reduce((sum, { missing }) => sum + missing * settings.maxTokens, 0),
  };
}

/**
 * Asks a language model what tags look like, as RAM++'s authors did: five prompts, ten answers each, and "a photo of a TAG." in front; writes
 * the descriptions of all tags that have them all. Every reply is kept at once in a journal, `OUT.part`, so that a call after an interruption
 * asks what is missing; it is removed when nothing is. A tag whose prompts fail is listed in the result while the others go on. Throws as
 * `planDescriptions`, and a DescribeError where no request can succeed: unauthorised, no-such-model, quota-exhausted, redirected, unreachable; the
 * signal's reason when aborted.
 */
export async function describeTags(tags: readonly string[], out: string, endpoint: Endpoint, options: DescribeOptions = {}): Promise<DescribeResult> {
  const { total, ...work } = await prepare(tags, out, endpoint, options);
  const { journal, settings } = work;
  try {
    const outcome = await askAll(work, total, options);
    const described: Description[] = tags
      .filter((tag) => promptsFor(tag).every((prompt) => missingAnswers(journal, tag, prompt, settings.answers) === 0))
      .map((tag) => ({ tag, texts: [photoText(tag), ...promptsFor(tag).flatMap((prompt) => journal.answers(tag, prompt).slice(0, settings.answers))] }));
    if (described.length > 0) await writeDescriptions(out, described);
    if (outcome.failed.length === 0) await removeJournal(journalFile(out));
    return { file: out, described: described.length, ...outcome };
  } finally {
    await journal.close();
  }
}

interface Question {
  readonly tag: string;
  readonly prompt: string;
}

interface Work {
  readonly client: ChatClient;
  readonly journal: Journal;
  readonly settings: JournalSettings;
  readonly questions: readonly Question[];
}

async function prepare(tags: readonly string[], out: string, endpoint: Endpoint, options: DescribeOptions): Promise<Work & { readonly total: number }> {
  await planDescriptions(tags, out, endpoint, options);
  const settings = settingsOf(endpoint, options);
  const { attempts = 6, clock = systemClock, random = seededRandom(Date.now()) } = options;
  const client = retryingClient(chatClient(endpoint), { attempts, clock, random });
  const journal = await openJournal(journalFile(out), settings);
  const all = tags.flatMap((tag) => promptsFor(tag).map((prompt) => ({ tag, prompt })));
  return { client, journal, settings, questions: all.filter(({ tag, prompt }) => missingAnswers(journal, tag, prompt, settings.answers) > 0), total: all.length };
}

async function askAll({ client, journal, settings, questions }: Work, total: number, { concurrency = 4, signal, onProgress, onNotice }: DescribeOptions): Promise<Pick<DescribeResult, "failed" | "usage">> {
  const failed = new Map<string, DescribeError>();
  const usage = { input: 0, output: 0 };
  const stop = new AbortController();
  const stopped = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  let done = total - questions.length;
  let noticed = false;

  const answer = async ({ tag, prompt }: Question): Promise<void> => {
    for (let missing: number; (missing = missingAnswers(journal, tag, prompt, settings.answers)) > 0; ) {
      const reply = await client.ask({ prompt, count: missing, maxTokens: settings.maxTokens, temperature: settings.temperature }, stopped);
      await journal.add(tag, prompt, reply.answers);
      usage.input += reply.usage?.input ?? 0;
      usage.output += reply.usage?.output ?? 0;
      if (reply.answers.length < missing && !noticed) {
        noticed = true;
        onNotice?.(`the server gave ${reply.answers.length} of ${missing} answers: it is asked again for the others, in more requests than estimated`);
      }
    }
    onProgress?.(++done, total);
  };

  let next = 0;
  const worker = async (): Promise<void> => {
    for (let question: Question | undefined; (question = questions[next++]) !== undefined; ) {
      // A tag without one of its prompts is not written, so its others need not be paid for now.
      if (failed.has(question.tag)) continue;
      try {
        await answer(question);
      } catch (error) {
        if (!(error instanceof DescribeError) || stopsAll(error)) {
          stop.abort(error);
          throw error;
        }
        failed.set(question.tag, error);
      }
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: Math.min(concurrency, questions.length) }, worker));
  signal?.throwIfAborted();
  // The first worker to fail stopped the others, whose reason it is.
  if (outcomes.some(({ status }) => status === "rejected")) throw stop.signal.reason;
  return { failed: [...failed].map(([tag, error]) => ({ tag, error })), usage };
}

function missingAnswers(journal: Pick<Journal, "answers"> | null, tag: string, prompt: string, wanted: number): number {
  return Math.max(0, wanted - (journal?.answers(tag, prompt).length ?? 0));
}
