import assert from "node:assert/strict";
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DescribeError } from "../../src/describe/describe-error.js";
import { describeByTemplates } from "../../src/describe/describe-by-templates.js";
import { describeTags, planDescriptions, type DescribeOptions, type DescribeResult } from "../../src/describe/describe-tags.js";
import type { Endpoint } from "../../src/describe/endpoint.js";
import { promptsFor } from "../../src/describe/prompts.js";
import { seededRandom } from "../../src/tensor/random.js";
import { readDescriptions } from "../../src/vocab/descriptions.js";
import { temporaryFolder } from "../tiny-model-folder.js";
import { choices, startChatServer, type ChatServer, type Reply } from "./chat-server.js";

const key = "sk-test-0123456789abcdef";
const endpoint = (server: ChatServer, own: Partial<Endpoint> = {}): Endpoint => ({ baseUrl: server.baseUrl, model: "any", key, ...own });

/** A clock whose waits take no time; it keeps what was waited for. */
function quickClock(): { clock: NonNullable<DescribeOptions["clock"]>; waits: number[] } {
  let time = 0;
  const waits: number[] = [];
  return {
    waits,
    clock: {
      now: () => time,
      async wait(ms, signal) {
        signal?.throwIfAborted();
        waits.push(ms);
        time += ms;
      },
    },
  };
}

const quick = (): DescribeOptions => ({ clock: quickClock().clock, random: seededRandom(5) });

/** Nothing in the folder, and nothing that was said, may hold the key. */
function assertNoKey(folder: string, ...said: unknown[]): void {
  for (const name of readdirSync(folder)) assert.ok(!readFileSync(join(folder, name), "utf8").includes(key), name);
  for (const each of said) assert.ok(!`${String(each)} ${JSON.stringify(each)} ${(each as Error)?.stack ?? ""}`.includes(key));
}

const failure = (status: number, error: Record<string, unknown> = {}, headers: Record<string, string> = {}): Reply => ({ status, headers, body: { error } });

test("each tag gets the photo text and ten answers to each of five prompts, in order, in the reference's form", async () => {
  await using folder = await temporaryFolder();
  await using server = await startChatServer(({ prompt, n }) => choices(prompt, n));
  const out = join(folder.path, "d.json");
  const result = await describeTags(["Red panda", "狗"], out, endpoint(server), quick());
  assert.deepEqual(result, { file: out, described: 2, failed: [], usage: { input: 100, output: 2000 } });
  const descriptions = await readDescriptions(out);
  assert.deepEqual(descriptions.map(({ tag }) => tag), ["Red panda", "狗"]);
  assert.deepEqual(descriptions[0]!.texts, ["a photo of a red panda.", ...promptsFor("Red panda").flatMap((prompt) => Array.from({ length: 10 }, (_, i) => `${prompt} answer ${i}`))]);
  assert.equal(server.asked.length, 10);
  const { body, authorization, path } = server.asked[0]!;
  assert.deepEqual(body, { model: "any", messages: [{ role: "user", content: promptsFor("Red panda")[0] }], max_tokens: 77, temperature: 0.99, n: 10 });
  assert.equal(authorization, `Bearer ${key}`);
  assert.equal(path, "/v1/chat/completions");
  assert.deepEqual(readdirSync(folder.path), ["d.json"]);
  assertNoKey(folder.path, result);
});

test("the estimate counts what is left, and nothing is asked for it", async () => {
  await using folder = await temporaryFolder();
  await using server = await startChatServer(({ prompt, n }) => choices(prompt, n));
  const out = join(folder.path, "d.json");
  const plan = await planDescriptions(["cat", "dog"], out, endpoint(server), { answers: 3, maxTokens: 20 });
  const characters = ["cat", "dog"].flatMap(promptsFor).map((prompt) => Math.ceil(prompt.length / 4) + 8);
  assert.deepEqual(plan, { tags: 2, done: 0, requests: 10, inputTokens: characters.reduce((a, b) => a + b), outputTokens: 600 });
  assert.equal(server.asked.length, 0);
  assert.deepEqual(readdirSync(folder.path), []);
});

test("no more requests are open than asked for", async () => {
  await using folder = await temporaryFolder();
  await using server = await startChatServer(({ prompt, n }) => choices(prompt, n));
  await describeTags(["a", "b", "c", "d"], join(folder.path, "d.json"), endpoint(server), { ...quick(), concurrency: 3 });
  assert.ok(server.mostOpen() <= 3, `${server.mostOpen()}`);
  assert.equal(server.asked.length, 20);
});

test("too many requests: all wait as long as the server says, then go on", async () => {
  await using folder = await temporaryFolder();
  await using server = await startChatServer(({ prompt, n }, i) => (i <= 2 ? failure(429, { message: "slow down" }, { "retry-after": "7" }) : choices(prompt, n)));
  const { clock, waits } = quickClock();
  const result = await describeTags(["cat"], join(folder.path, "d.json"), endpoint(server), { clock, random: seededRandom(5), concurrency: 1 });
  assert.equal(result.described, 1);
  assert.deepEqual(waits, [7000, 7000]);
  assert.equal(server.asked.length, 7);
});

test("failures of the server and broken connections are tried again after longer and longer pauses, each shortened at random", async () => {
  await using folder = await temporaryFolder();
  await using server = await startChatServer(({ prompt, n }, i) => (i === 1 ? failure(503) : i === 2 ? "hang up" : i === 3 ? failure(500) : i === 4 ? { body: "<html>" } : choices(prompt, n)));
  const { clock, waits } = quickClock();
  await describeTags(["cat"], join(folder.path, "d.json"), endpoint(server), { clock, random: seededRandom(5), concurrency: 1 });
  assert.equal(waits.length, 4);
  waits.forEach((ms, i) => assert.ok(ms > 250 * 2 ** i && ms <= 500 * 2 ** i, `${ms}`));
  const again = quickClock();
  await using other = await startChatServer(({ prompt, n }, i) => (i <= 4 ? failure(502) : choices(prompt, n)));
  await describeTags(["cat"], join(folder.path, "e.json"), endpoint(other), { clock: again.clock, random: seededRandom(5), concurrency: 1 });
  assert.deepEqual(again.waits, waits);
});

test("bad answers fail their tag with a code while the others go on, and the same call asks for that tag alone", async () => {
  await using folder = await temporaryFolder();
  const bad: Record<string, Reply> = {
    html: { body: "<html>busy</html>" },
    none: { body: { choices: [] } },
    form: { body: { answer: 42 } },
    content: { body: { choices: [{ message: { content: null } }, { message: {} }, {}, null, { message: { content: "  " } }] } },
    huge: { body: { choices: [{ message: { content: "x".repeat(2 * 2 ** 20) } }] } },
    long: { body: { choices: [{ message: { content: "x".repeat(5000) } }] } },
    echo: { body: { choices: [{ message: { content: `your key is ${key}` } }] } },
    filtered: failure(400, { message: `the key ${key} may not ask this`, code: "content_filter" }),
  };
  let mended = false;
  await using server = await startChatServer(({ prompt, n }) => (!mended && Object.entries(bad).find(([tag]) => prompt.includes(tag))?.[1]) || choices(prompt, n));
  const out = join(folder.path, "d.json");
  const tags = ["cat", ...Object.keys(bad), "dog"];
  const result: DescribeResult = await describeTags(tags, out, endpoint(server), { ...quick(), attempts: 2 });
  assert.equal(result.described, 2);
  assert.deepEqual(Object.fromEntries(result.failed.map(({ tag, error }) => [tag, error.code])), { html: "bad-answer", none: "bad-answer", form: "bad-answer", content: "bad-answer", huge: "bad-answer", long: "bad-answer", echo: "bad-answer", filtered: "request-refused" });
  for (const { error } of result.failed) assert.ok(error.message.startsWith(server.baseUrl.slice(0, -3)), error.message);
  assert.match(result.failed.find(({ tag }) => tag === "filtered")!.error.message, /the key \[key\] may not ask this/);
  assert.deepEqual((await readDescriptions(out)).map(({ tag }) => tag), ["cat", "dog"]);
  assertNoKey(folder.path, ...result.failed.map(({ error }) => error), result);

  mended = true;
  const before = server.asked.length;
  const second = await describeTags(tags, out, endpoint(server), quick());
  assert.deepEqual([second.described, second.failed], [10, []]);
  assert.ok(server.asked.slice(before).every(({ prompt }) => !prompt.includes("cat") && !prompt.includes("dog")));
  assert.deepEqual((await readDescriptions(out)).map(({ tag }) => tag), tags);
  assert.deepEqual(readdirSync(folder.path), ["d.json"]);
});

test("a server that gives fewer answers is asked for the rest, one that gives more is cut", async () => {
  await using folder = await temporaryFolder();
  await using server = await startChatServer(({ prompt, n }, i) => choices(prompt, i % 2 === 0 ? n + 5 : 4));
  const notices: string[] = [];
  await describeTags(["cat"], join(folder.path, "d.json"), endpoint(server), { ...quick(), concurrency: 1, onNotice: (line) => notices.push(line) });
  assert.equal((await readDescriptions(join(folder.path, "d.json")))[0]!.texts.length, 51);
  assert.deepEqual(server.asked.map(({ n }) => n), [10, 6, 10, 6, 10, 6, 10, 6, 10, 6]);
  assert.equal(notices.length, 1);
});

test("parameters that a model refuses are left out or renamed", async () => {
  await using folder = await temporaryFolder();
  await using server = await startChatServer(({ prompt, n, body }) => {
    for (const param of ["max_tokens", "temperature", "n"]) if (param in body) return failure(400, { message: `Unsupported parameter: '${param}'`, param });
    return choices(prompt, n);
  });
  const { described } = await describeTags(["cat"], join(folder.path, "d.json"), endpoint(server), { ...quick(), answers: 2, concurrency: 2 });
  assert.equal(described, 1);
  assert.deepEqual(Object.keys(server.asked.at(-1)!.body), ["model", "messages", "max_completion_tokens"]);
});

for (const [name, reply, code, message] of [
  ["a refused key", failure(401, { message: `Incorrect API key provided: ${key}` }), "unauthorised", /refuses the key \(401\): Incorrect API key provided: \[key\]/],
  ["a model that is not there", failure(404), "no-such-model", /no model "any"/],
  ["an account without credit", failure(429, { code: "insufficient_quota" }), "quota-exhausted", /no credit/],
  ["a redirect", { status: 307, headers: { location: `https://elsewhere.example/?${key}` }, body: "" }, "redirected", /redirects to https:\/\/elsewhere\.example,/],
] as const) {
  test(`${name} stops all, after few requests, and keeps nothing half-written`, async () => {
    await using folder = await temporaryFolder();
    await using server = await startChatServer(() => reply);
    const error: unknown = await describeTags(["a", "b", "c", "d", "e"], join(folder.path, "d.json"), endpoint(server), quick()).catch((e: unknown) => e);
    assert.ok(error instanceof DescribeError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.ok(server.asked.length <= 8, `${server.asked.length}`);
    assert.ok(!existsSync(join(folder.path, "d.json")));
    assertNoKey(folder.path, error);
  });
}

test("a redirect to another server is not followed: that server hears nothing", async () => {
  await using folder = await temporaryFolder();
  await using other = await startChatServer(({ prompt, n }) => choices(prompt, n));
  await using server = await startChatServer(() => ({ status: 302, headers: { location: `${other.baseUrl}/chat/completions` }, body: "" }));
  await assert.rejects(describeTags(["cat"], join(folder.path, "d.json"), endpoint(server), quick()), { code: "redirected" });
  assert.equal(other.asked.length, 0);
});

test("a server that is not there is an error that names it", async () => {
  await using folder = await temporaryFolder();
  const server = await startChatServer(() => "hang up");
  await server[Symbol.asyncDispose]();
  await assert.rejects(describeTags(["cat"], join(folder.path, "d.json"), endpoint(server), quick()), { code: "unreachable", message: /^http:\/\/127\.0\.0\.1:\d+: cannot be reached: .*ECONNREFUSED/ });
});

test("a wait of more than ten minutes is not waited for", async () => {
  await using folder = await temporaryFolder();
  await using server = await startChatServer(() => failure(429, {}, { "retry-after": "86400" }));
  const { clock, waits } = quickClock();
  const { failed } = await describeTags(["cat"], join(folder.path, "d.json"), endpoint(server), { clock, concurrency: 1 });
  assert.deepEqual(failed.map(({ error }) => [error.code, error.retryAfter]), [["rate-limited", 86_400_000]]);
  assert.deepEqual(waits, []);
});

test("an interruption keeps what was answered, and the next call asks for the rest only, even after a line that was cut off", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "d.json");
  const stop = new AbortController();
  await using server = await startChatServer(({ prompt, n }, i) => (i === 8 ? (stop.abort(new Error("interrupted")), "wait") : choices(prompt, n)));
  await assert.rejects(describeTags(["猫", "dog", "bird"], out, endpoint(server), { ...quick(), concurrency: 1, signal: stop.signal }), /interrupted/);
  assert.deepEqual(readdirSync(folder.path), ["d.json.part"]);
  assertNoKey(folder.path);
  // In the middle of a character of three bytes.
  appendFileSync(`${out}.part`, Buffer.from('{"tag":"bird","prompt":"猫').subarray(0, -1));
  const plan = await planDescriptions(["猫", "dog", "bird"], out, endpoint(server));
  assert.deepEqual([plan.done, plan.requests], [1, 8]);
  const { described } = await describeTags(["猫", "dog", "bird"], out, endpoint(server), quick());
  assert.equal(described, 3);
  assert.equal(server.asked.length, 16);
  assert.equal((await readDescriptions(out))[0]!.texts[1], `${promptsFor("猫")[0]} answer 0`);
});

test("a journal of other settings or tags, or a damaged one, is refused and kept", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "d.json");
  await using server = await startChatServer(({ prompt, n }) => (prompt.includes("dog") ? failure(400) : choices(prompt, n)));
  await describeTags(["cat", "dog"], out, endpoint(server), quick());
  const plan = (tags: string[], own: Partial<Endpoint> = {}, options: DescribeOptions = {}) => planDescriptions(tags, out, endpoint(server, own), options);
  await assert.rejects(plan(["cat", "dog"], { model: "other" }), { code: "journal-mismatch", message: /begun with model "any", not "other"/ });
  await assert.rejects(plan(["cat", "dog"], {}, { answers: 3 }), { code: "journal-mismatch", message: /answers 10, not 3/ });
  await assert.rejects(plan(["dog"]), { code: "journal-mismatch", message: /holds answers for "cat"/ });
  assert.equal((await plan(["cat", "dog", "bird"])).requests, 10);
  const lines = readFileSync(`${out}.part`, "utf8").split("\n");
  writeFileSync(`${out}.part`, [lines[0], "{}", ...lines.slice(2)].join("\n"));
  await assert.rejects(plan(["cat", "dog"]), { code: "bad-journal", message: /line 2 is damaged/ });
  for (const notes of ["my notes\n", "my notes"]) {
    writeFileSync(`${out}.part`, notes);
    await assert.rejects(describeTags(["cat", "dog"], out, endpoint(server), quick()), { code: "bad-journal", message: /no journal/ });
    assert.equal(readFileSync(`${out}.part`, "utf8"), notes);
  }
  for (const start of ["", lines[0]!.slice(0, 20)]) {
    writeFileSync(`${out}.part`, start);
    assert.equal((await plan(["cat", "dog"])).requests, 10);
  }
});

test("a file that is there is not written over unless asked", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "mine.json");
  writeFileSync(out, "mine");
  await using server = await startChatServer(({ prompt, n }) => choices(prompt, n));
  await assert.rejects(describeTags(["cat"], out, endpoint(server), quick()), { code: "exists" });
  await assert.rejects(describeByTemplates(["cat"], out), { code: "exists" });
  assert.equal(readFileSync(out, "utf8"), "mine");
  assert.equal(server.asked.length, 0);
  await describeTags(["cat"], out, endpoint(server), { ...quick(), force: true });
  assert.equal((await readDescriptions(out))[0]!.texts.length, 51);
  await describeByTemplates(["cat", "apple"], out, { force: true });
  assert.deepEqual((await readDescriptions(out)).map(({ texts }) => texts.length), [63, 63]);
});

test("tags and endpoints that cannot be used are refused before anything is asked, without showing a key", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "d.json");
  const plan = (tags: readonly string[], own: Partial<Endpoint>) => planDescriptions(tags, out, { baseUrl: "https://api.example.com/v1", model: "m", key, ...own });
  for (const [tags, own, code] of [
    [[], {}, "bad-option"],
    [["cat", "cat"], {}, "bad-option"],
    [[" "], {}, "bad-option"],
    [["a\nb"], {}, "bad-option"],
    [["cat"], { model: "" }, "bad-option"],
    [["cat"], { baseUrl: "api.example.com" }, "bad-endpoint"],
    [["cat"], { baseUrl: "file:///etc/passwd" }, "bad-endpoint"],
    [["cat"], { baseUrl: `https://user:${key}@example.com` }, "bad-endpoint"],
    [["cat"], { baseUrl: "http://example.com/v1" }, "bad-endpoint"],
    [["cat"], { baseUrl: "https://api.openai.com/v1", key: null }, "no-key"],
    [["cat"], { key: `${key}\nX-Other: 1` }, "bad-key"],
    [["cat"], { key: `${key}é` }, "bad-key"],
  ] as const) {
    const error: unknown = await plan(tags, own).catch((e: unknown) => e);
    assert.ok(error instanceof DescribeError, JSON.stringify([tags, own]));
    assert.equal(error.code, code);
    assertNoKey(folder.path, error);
  }
  assert.equal((await plan(["cat"], { baseUrl: "http://example.com/v1", key: null })).requests, 5);
});
