import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { choices, startChatServer, type ChatServer } from "../describe/chat-server.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));
const key = "sk-process-9876543210fedcba";
let folder = "";
before(() => (folder = mkdtempSync(join(tmpdir(), "ramplus-describe-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function run(args: readonly string[], { env = {}, onStart }: { env?: Record<string, string>; onStart?: (child: ChildProcess) => void } = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const own = { PATH: process.env["PATH"], OPENAI_API_KEY: key, RAMPLUS_DEBUG: "1", ...env };
    const child = spawn(process.execPath, [bin, "describe", ...args], { env: own, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => (err += data));
    child.on("error", reject);
    child.on("close", (code) => {
      for (const text of [out, err, ...readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"))]) assert.ok(!text.includes(key), "the key is shown or kept");
      resolve({ code, out, err });
    });
    onStart?.(child);
  });
}

const at = (server: ChatServer): string[] => ["--base-url", server.baseUrl, "--model", "any"];

test("tags of arguments and of a file are described by a server that rate-limits and fails, exit 0", async () => {
  writeFileSync(join(folder, "tags.txt"), "dog\ncat\n");
  await using server = await startChatServer(({ prompt, n }, i) => (i === 2 ? { status: 429, headers: { "retry-after": "0" }, body: `slow down, ${key}` } : i === 3 ? { status: 500, body: key } : choices(prompt, n)));
  const { code, out, err } = await run(["cat", "--file", "tags.txt", "--out", "both.json", "--price-in", "0.5", "--price-out", "1.5", ...at(server)]);
  assert.equal(code, 0, err);
  assert.match(err, /2 tags: 10 requests, about \d+ tokens of prompts and at most 7700 of answers, at most 0\.01 at the given prices/);
  assert.match(out, /^both\.json: 2 tags; 100 tokens asked, 2000 answered\n$/);
  const json = JSON.parse(readFileSync(join(folder, "both.json"), "utf8")) as Record<string, string[]>[];
  assert.deepEqual(json.map((each) => Object.entries(each).map(([tag, texts]) => [tag, texts.length])), [[["cat", 51]], [["dog", 51]]]);
  assert.equal(server.asked[0]!.authorization, `Bearer ${key}`);
});

test("a dry run shows the estimate and the prompts and asks nothing", async () => {
  await using server = await startChatServer(({ prompt, n }) => choices(prompt, n));
  const { code, out } = await run(["red panda", "--out", "dry.json", "--dry-run", ...at(server)]);
  assert.equal(code, 0);
  assert.match(out, /^1 tag: 5 requests/);
  assert.match(out, /Describe concisely what a\(n\) red panda looks like:/);
  assert.equal(server.asked.length, 0);
  assert.ok(!existsSync(join(folder, "dry.json")));
});

test("answers that are none fail their tag, exit 1; the same command asks again for it", async () => {
  let mended = false;
  await using server = await startChatServer(({ prompt, n }) => (!mended && prompt.includes("bad") ? { status: 422, body: { error: { message: `no: ${key}\u001b[31m` } } } : choices(prompt, n)));
  const args = ["good", "bad", "--out", "some.json", ...at(server)];
  const first = await run(args);
  assert.equal(first.code, 1);
  assert.match(first.err, /bad: http:\/\/127\.0\.0\.1:\d+: refuses the request \(422\): no: \[key\]\\x1b\[31m \(request-refused\)/);
  assert.match(first.out, /some\.json: 1 tag/);
  mended = true;
  const second = await run(args);
  assert.equal(second.code, 0, second.err);
  assert.match(second.err, /2 tags \(1 of them answered already\): 5 requests/);
});

for (const signal of ["SIGINT", "SIGKILL"] as const) {
  test(`a run ended by ${signal} goes on where it stopped`, async () => {
    let child: ChildProcess | undefined;
    await using server = await startChatServer(({ prompt, n }, i) => (i === 4 ? (child!.kill(signal), "wait") : choices(prompt, n)));
    const args = ["cat", "dog", "--out", `${signal}.json`, "--concurrency", "1", ...at(server)];
    const first = await run(args, { onStart: (started) => (child = started) });
    assert.equal(first.code, signal === "SIGINT" ? 130 : null, first.err);
    if (signal === "SIGINT") assert.match(first.err, /kept in SIGINT\.json\.part/);
    assert.ok(!existsSync(join(folder, `${signal}.json`)));
    const second = await run(args);
    assert.equal(second.code, 0, second.err);
    assert.equal(server.asked.length, 4 + 7);
    assert.ok(!existsSync(join(folder, `${signal}.json.part`)));
  });
}

test("a refused key and a redirect end with one line, exit 1", async () => {
  await using refusing = await startChatServer(() => ({ status: 401, body: { error: { message: `Incorrect API key provided: ${key}.` } } }));
  const refused = await run(["cat", "--out", "refused.json", ...at(refusing)]);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /ramplus: http:\S+ refuses the key \(401\): Incorrect API key provided: \[key\]\. \(unauthorised\)/);
  await using other = await startChatServer(({ prompt, n }) => choices(prompt, n));
  await using redirecting = await startChatServer(() => ({ status: 308, headers: { location: `${other.baseUrl}/chat/completions?${key}` }, body: "" }));
  const redirected = await run(["cat", "--out", "redirected.json", ...at(redirecting)]);
  assert.equal(redirected.code, 1);
  assert.match(redirected.err, /\(redirected\)/);
  assert.equal(other.asked.length, 0);
});

test("the key comes from the variable that is named, or none is sent", async () => {
  await using server = await startChatServer(({ prompt, n }) => choices(prompt, n));
  assert.equal((await run(["cat", "--out", "named.json", "--key-env", "OTHER", ...at(server)], { env: { OTHER: "other-key" } })).code, 0);
  assert.equal(server.asked.at(-1)!.authorization, "Bearer other-key");
  assert.equal((await run(["cat", "--out", "none.json", "--no-key", ...at(server)])).code, 0);
  assert.equal(server.asked.at(-1)!.authorization, undefined);
});

test("templates are written without a server", async () => {
  const { code, out } = await run(["cat", "--out", "templates.json", "--templates"], { env: { OPENAI_BASE_URL: "http://127.0.0.1:1" } });
  assert.equal(code, 0);
  assert.match(out, /templates\.json: 1 tag by templates/);
  assert.equal(JSON.parse(readFileSync(join(folder, "templates.json"), "utf8"))[0].cat.length, 63);
  const again = await run(["cat", "--out", "templates.json", "--templates"]);
  assert.equal(again.code, 1);
  assert.match(again.err, /is there already.*\(exists\)/);
});

test("wrong usage is exit 2 with one line; a key on the command line is refused and not repeated", async () => {
  for (const [args, pattern] of [
    [[], /needs --out FILE/],
    [["--out", "x.json"], /needs a TAG/],
    [["cat", "--out", "x.json"], /needs --model NAME/],
    [["cat", "--out", "x.json", "--model", "m", "--key-env", key], /--key-env: there is no environment variable of this name/],
    [["cat", "--out", "x.json", "--model", "m", `--api-key=${key}`], /unknown option --api-key/],
    [["cat", "--out", "x.json", "--model", "m", "--key", key], /unknown option --key/],
    [["cat", "--out", "x.json", "--model", "m", "--no-key", "--key-env", "A"], /exclude each other/],
    [["cat", "--out", "x.json", "--model", "m", "--temperature", "3"], /--temperature 3: expected a number from 0 to 2/],
    [["cat", "--out", "x.json", "--model", "m", "--answers", "0"], /--answers 0: expected/],
    [["a\nb", "--out", "x.json", "--model", "m"], /is no tag/],
  ] as const) {
    const { code, out, err } = await run(args, { env: { RAMPLUS_DEBUG: "" } });
    assert.equal(code, 2, err);
    assert.equal(out, "");
    assert.match(err, pattern);
    assert.equal(err.trim().split("\n").length, 1, err);
  }
});

test("help lists the options and says where the key comes from", async () => {
  const { code, out } = await run(["--help"]);
  assert.equal(code, 0);
  assert.match(out, /OPENAI_API_KEY/);
});
