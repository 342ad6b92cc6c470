import { untilAborted } from "./until-aborted.js";

/** An item and what was made of it. */
export interface Made<I, O> {
  readonly item: I;
  readonly output: O;
}

/** Something to wait for that happens again and again. */
function createEvent(): { readonly next: () => Promise<void>; readonly happen: () => void } {
  let resolve: () => void = () => undefined;
  let promise = new Promise<void>((done) => (resolve = done));
  const happen = (): void => {
    resolve();
    promise = new Promise((done) => (resolve = done));
  };
  return { next: () => promise, happen };
}

/**
 * Works on items as they come, and gives them in order in groups of at most `size`. While a group is out, the work on up to
 * `size` further items goes on. A group is not kept waiting for items that its source does not have yet.
 * Throws what the source or the work throws, and the signal's reason when aborted.
 */
export async function* workAhead<I, O>(items: AsyncIterable<I> | Iterable<I>, work: (item: I) => Promise<O>, size: number, signal?: AbortSignal): AsyncGenerator<Made<I, O>[]> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const started: Promise<Made<I, O>>[] = [];
  const [arrived, taken] = [createEvent(), createEvent()];
  const source = { asked: false, ended: false, failures: [] as unknown[], stopped: false };
  const read = async (): Promise<void> => {
    try {
      while (!source.stopped) {
        source.asked = true;
        const result = await iterator.next();
        source.asked = false;
        if (result.done === true || source.stopped) break;
        const item = result.value;
        const made = work(item).then((output) => ({ item, output }));
        // A failure is thrown when the item's turn comes.
        made.catch(() => undefined);
        started.push(made);
        arrived.happen();
        if (started.length >= size) await taken.next();
      }
    } catch (error) {
      source.asked = false;
      source.failures.push(error);
    }
    source.ended = true;
    arrived.happen();
  };
  const reading = read();
  try {
    for (;;) {
      const group: Made<I, O>[] = [];
      while (group.length < size) {
        const next = started.splice(0, size - group.length);
        if (next.length > 0) {
          taken.happen();
          group.push(...(await untilAborted(Promise.all(next), signal)));
          // A turn of the event loop, in which a source that has more gives it.
          await new Promise((resolve) => setImmediate(resolve));
        } else if (group.length > 0 || source.ended) break;
        else await untilAborted(arrived.next(), signal);
      }
      if (group.length > 0) yield group;
      else if (source.failures.length > 0) throw source.failures[0];
      else return;
    }
  } finally {
    source.stopped = true;
    taken.happen();
    // A source that was asked may never answer: it is told to end, but not waited for.
    if (source.asked) void Promise.resolve(iterator.return?.()).catch(() => undefined);
    else {
      const ended = source.ended;
      await reading;
      if (!ended) await iterator.return?.();
    }
  }
}
