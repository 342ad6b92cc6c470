import assert from "node:assert/strict";
import { test } from "node:test";
import { atMost } from "../../src/tagger/at-most.js";
import { workAhead } from "../../src/tagger/work-ahead.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await turn();
};
const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

test("groups are full and in order, whichever work ends first", async () => {
  const groups: number[][] = [];
  const work = async (item: number): Promise<number> => (await turns((7 - item) % 4), item * 10);
  for await (const group of workAhead(count(10), work, 4)) groups.push(group.map(({ output }) => output));
  assert.deepEqual(groups, [
    [0, 10, 20, 30],
    [40, 50, 60, 70],
    [80, 90],
  ]);
});

test("while a group is out, work goes on for one more group and no further", async () => {
  let started = 0;
  const groups = workAhead(count(1000), async (item) => (started++, item), 3);
  assert.equal((await groups.next()).value!.length, 3);
  await turns(20);
  assert.equal(started, 6);
  await groups.return(undefined);
});

test("a source that waits gets its items back before it gives more", async () => {
  const seen: number[] = [];
  async function* source(): AsyncGenerator<number> {
    yield 1;
    while (!seen.includes(1)) await turn();
    yield 2;
  }
  for await (const group of workAhead(source(), async (item) => item, 4)) seen.push(...group.map(({ item }) => item));
  assert.deepEqual(seen, [1, 2]);
});

test("what the source throws comes after the items before it", async () => {
  const seen: number[] = [];
  function* source(): Generator<number> {
    yield 1;
    throw new Error("source");
  }
  await assert.rejects(async () => {
    for await (const group of workAhead(source(), async (item) => item, 4)) seen.push(...group.map(({ item }) => item));
  }, /source/);
  assert.deepEqual(seen, [1]);
});

test("what the work throws is thrown, and the source is ended", async () => {
  let ended = false;
  async function* source(): AsyncGenerator<number> {
    try {
      yield* count(100);
    } finally {
      ended = true;
    }
  }
  const work = async (item: number): Promise<number> => {
    if (item === 2) throw new Error("work");
    return item;
  };
  await assert.rejects(async () => {
    for await (const group of workAhead(source(), work, 2)) assert.ok(group.length > 0);
  }, /^Error: work$/);
  await turns(5);
  assert.ok(ended);
});

test("a reader that leaves ends the source", async () => {
  let ended = false;
  async function* source(): AsyncGenerator<number> {
    try {
      yield* count(100);
    } finally {
      ended = true;
    }
  }
  for await (const group of workAhead(source(), async (item) => item, 2)) {
    assert.ok(group.length > 0);
    break;
  }
  assert.ok(ended);
});

test("an abort is thrown at once, though source and work never answer", async () => {
  const never = new Promise<never>(() => undefined);
  for (const items of [{ [Symbol.asyncIterator]: () => ({ next: () => never }) }, [1]] as AsyncIterable<number>[]) {
    const abort = new AbortController();
    const next = workAhead(items, () => never, 2, abort.signal).next();
    setImmediate(() => abort.abort(new Error("stop")));
    await assert.rejects(next, /stop/);
  }
});

test("at most so many works run at a time, and failures make room", async () => {
  const limited = atMost(2);
  let [running, most] = [0, 0];
  const outcomes = await Promise.allSettled(
    count(20).map((i) =>
      limited(async () => {
        most = Math.max(most, ++running);
        await turns(i % 3);
        running--;
        if (i % 2 === 0) throw new Error("odd");
        return i;
      }),
    ),
  );
  assert.equal(most, 2);
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 10);
});
