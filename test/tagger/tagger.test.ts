import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import type { Pixels } from "../../src/image/pixels.js";
import { decodePhoto, photoBytes, type ImageInput } from "../../src/tagger/image-input.js";
import { Tagger, type TagOutcome } from "../../src/tagger/tagger.js";
import { temporaryFolder, tinyTags, tinyWeights, writeTinyModel } from "../tiny-model-folder.js";

const folder = await temporaryFolder();
const model = join(folder.path, "model");
let tagger: Tagger;

before(async () => {
  await writeTinyModel(model);
  tagger = await Tagger.load(model);
});
after(async () => {
  await tagger.dispose();
  await folder[Symbol.asyncDispose]();
});

type Colour = readonly [number, number, number];
const red: Colour = [255, 0, 0];

/** Pixels of one colour. */
function pixels(colour: Colour, width = 5, height = 3): Pixels {
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, (_, i) => colour[i % 3]!) };
}

/** The tiny model's probability of a tag for a photo of one colour, by hand. */
function expected(colour: Colour, id: number): number {
  const logit = colour.reduce((sum, value, c) => sum + (value / 127.5 - 1) * tinyWeights.byChannel[c]![id]!, tinyWeights.bias[id]!);
  return 1 / (1 + Math.exp(-logit));
}

const bytesOf = async ([r, g, b]: Colour): Promise<Uint8Array> =>
  sharp({ create: { width: 4, height: 4, channels: 3, background: { r, g, b } } })
    .png()
    .toBuffer();
const names = (outcome: TagOutcome | undefined): string => (outcome === undefined ? "nothing" : "error" in outcome ? outcome.error.code : outcome.result.tags.map((tag) => tag.en).join(" "));

test("scores are those of the graph, tags those above their thresholds", async () => {
  const result = await tagger.tag(pixels([255, 64, 32]), { scores: true });
  result.scores!.forEach((score, id) => assert.ok(Math.abs(score - expected([255, 64, 32], id)) < 1e-6));
  assert.deepEqual(
    result.tags.map(({ en, zh, threshold }) => ({ en, zh, threshold })),
    [
      { en: "red", zh: "红色", threshold: 0.6 },
      { en: "colour", zh: "颜色", threshold: 0.3 },
    ],
  );
  assert.ok(Object.values(result.ms).every((ms) => ms >= 0));
  assert.equal((await tagger.tag(pixels(red))).scores, undefined);
});

test("a tag that others imply is lifted by the surest of them; the network's own logits are not", async () => {
  const related = join(folder.path, "related");
  await writeTinyModel(related, { tags: tinyTags.map((tag) => (["red", "green", "blue"].includes(tag.en) ? { ...tag, parents: ["colour"] } : tag)) });
  await using own = await Tagger.load(related);
  const { logits, scores } = await own.tag(pixels(red), { scores: true, logits: true });
  const plain = await tagger.tag(pixels(red), { logits: true });
  const lifted = Float32Array.from(plain.logits!, (logit, id) => (id === 3 ? logit + (plain.logits![0]! - logit) / 3 : logit));
  assert.ok(lifted[3]! > plain.logits![3]! + 1);
  assert.deepEqual(logits, plain.logits);
  assert.ok(Math.abs(scores![3]! - 1 / (1 + Math.exp(-lifted[3]!))) < 1e-6);
  // Looked for alone or not: it is the same score.
  assert.equal((await own.tag(pixels(red), { tags: ["colour"] })).tags[0]!.score, scores![3]);
  assert.deepEqual((await own.logits({ dtype: "float32", shape: [1, 3, 8, 8], data: Float32Array.from({ length: 192 }, (_, i) => (i < 64 ? 1 : -1)) })).data, plain.logits);
});

test("an image is a path, a URL, bytes, a Blob or pixels", async () => {
  const bytes = await bytesOf(red);
  const path = join(folder.path, "red #1.png");
  await writeFile(path, bytes);
  const server = createServer((_request, response) => void response.end(bytes)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const images: ImageInput[] = [path, pathToFileURL(path), new URL(`data:image/png;base64,${Buffer.from(bytes).toString("base64")}`), new URL(`http://127.0.0.1:${port}/red.png`), bytes, new Uint8Array(bytes).buffer, new Blob([new Uint8Array(bytes)]), pixels(red)];
  try {
    for (const outcome of await tagger.tagBatch(images)) assert.equal(names(outcome), "red colour");
  } finally {
    server.close();
  }
});

test("what is no image is an error of its own, and the others are tagged", async () => {
  const server = createServer((_request, response) => void response.writeHead(404).end()).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/none.png`;
  const bad: (readonly [unknown, string, RegExp])[] = [
    [join(folder.path, "none.png"), "image-not-found", /none\.png: does not exist/],
    [new Uint8Array(0), "image-empty", /image bytes: is empty/],
    [new File(["text"], "notes.txt"), "image-unknown-format", /^notes\.txt: /],
    [new URL("file://elsewhere/a.png"), "bad-image-input", /names no local file/],
    [new URL(address), "fetch-failed", /none\.png: the server answered 404/],
    [new URL("data:image/png;base64,***"), "fetch-failed", /^data: URL: /],
    [new URL("ftp://127.0.0.1/a.png"), "fetch-failed", /cannot be fetched/],
    [{ ...pixels(red), width: 6 }, "bad-image-input", /pixels of 6 x 3/],
    [{ width: 1, height: 1, data: [1, 2, 3] }, "bad-image-input", /pixels of 1 x 1/],
    [null, "bad-image-input", /received null/],
    [7, "bad-image-input", /received number/],
    [{}, "bad-image-input", /received object/],
  ];
  try {
    const outcomes = await tagger.tagBatch([pixels(red), ...bad.map(([image]) => image as ImageInput), pixels(red)], { batch: 3 });
    assert.deepEqual(outcomes.map(names), ["red colour", ...bad.map(([, code]) => code), "red colour"]);
    bad.forEach(([image, , message], i) => {
      const outcome = outcomes[i + 1]!;
      assert.ok("error" in outcome);
      assert.match(outcome.error.message, message);
      assert.equal(outcome.image, image);
    });
    await assert.rejects(tagger.tag(null as unknown as ImageInput), { code: "bad-image-input" });
  } finally {
    server.close();
  }
});

test("a stream keeps its order and gives the same scores in batches of any size", async () => {
  const colours = Array.from({ length: 11 }, (_, i): Colour => [i * 25, 255 - i * 25, 0]);
  const alone = await Promise.all(colours.map(async (colour) => (await tagger.tag(pixels(colour), { scores: true })).scores!));
  for (const batch of [1, 3, 20]) {
    let i = 0;
    for await (const outcome of tagger.tagStream(colours.map((colour) => pixels(colour, 3 + batch, 7)), { batch, scores: true })) {
      assert.ok("result" in outcome);
      outcome.result.scores!.forEach((score, id) => assert.ok(Math.abs(score - alone[i]![id]!) < 1e-6));
      i++;
    }
    assert.equal(i, colours.length);
  }
});

test("a stream is read no further than two batches ahead of its reader", async () => {
  let asked = 0;
  function* source(): Generator<Pixels> {
    for (;;) {
      asked++;
      yield pixels(red);
    }
  }
  let got = 0;
  for await (const outcome of tagger.tagStream(source(), { batch: 4 })) {
    assert.equal(names(outcome), "red colour");
    assert.ok(asked - got <= 8, `${asked} asked, ${got} got`);
    if (++got === 20) break;
  }
});

test("an abort ends loading, tagging and streams with its reason", async () => {
  const stopped = AbortSignal.abort(new Error("stop"));
  await assert.rejects(Tagger.load(model, { signal: stopped }), /stop/);
  await assert.rejects(tagger.tag(pixels(red), { signal: stopped }), /stop/);
  const abort = new AbortController();
  await assert.rejects(async () => {
    for await (const outcome of tagger.tagStream(Array.from({ length: 50 }, () => pixels(red)), { signal: abort.signal })) {
      assert.equal(names(outcome), "red colour");
      abort.abort(new Error("enough"));
    }
  }, /enough/);
  const late = new AbortController();
  const loading = Tagger.load(model, { signal: late.signal });
  setImmediate(() => late.abort(new Error("too late")));
  await assert.rejects(loading, /too late/);
});

test("photos are turned upright unless told otherwise", async () => {
  // The tiny model sees the mean colour only, so this looks at the pixels.
  const photo = await sharp({ create: { width: 8, height: 16, channels: 3, background: "red" } })
    .jpeg({ quality: 100, chromaSubsampling: "4:4:4" })
    .withMetadata({ orientation: 6 })
    .toBuffer();
  const upright = await decodePhoto(photo, await photoBytes(photo));
  const asStored = await decodePhoto(photo, await photoBytes(photo), { orient: false });
  assert.deepEqual([upright.width, upright.height], [16, 8]);
  assert.deepEqual([asStored.width, asStored.height], [8, 16]);
});

test("options out of range, and one image in the place of a list, are refused", async () => {
  await assert.rejects(tagger.tag(pixels(red), { threshold: 7 }), { code: "bad-option" });
  await assert.rejects(tagger.tagBatch([pixels(red)], { batch: 0 }), { code: "bad-option" });
  await assert.rejects(tagger.tagBatch("photo.jpg" as unknown as ImageInput[]), { code: "bad-option" });
});

test("a disposed tagger says so, and disposing again does nothing", async () => {
  const other = await Tagger.load(model);
  await other.dispose();
  await other.dispose();
  await assert.rejects(other.tag(pixels(red)), { name: "TaggerError", code: "disposed" });
});

test("graphs that are broken, of other names or other sizes are refused", async () => {
  const broken = join(folder.path, "broken");
  await writeTinyModel(broken, { output: "scores" });
  await assert.rejects(Tagger.load(broken), { code: "bad-graph", message: /tagging_model\.onnx: expected a graph from image_embeds to logits; it goes from image_embeds to scores/ });
  await writeTinyModel(broken, { tags: tinyTags.slice(0, 5) });
  await assert.rejects(Tagger.load(broken), { name: "BundleError", code: "bad-graph", message: /gives logits \[batch, 6\], but tags\.json names 5 tags/ });
  await truncate(join(broken, "onnx", "vision_model.onnx"), 100);
  await assert.rejects(Tagger.load(broken), { name: "BundleError", code: "bad-graph", message: /vision_model\.onnx: not an ONNX file/ });
  await rm(join(broken, "onnx"), { recursive: true });
  await mkdir(join(broken, "onnx"));
  await assert.rejects(Tagger.load(broken), { code: "missing-file" });
});

test("a model is a folder's path or URL; others are refused with what they were", async () => {
  await using byUrl = await Tagger.load(pathToFileURL(model));
  assert.equal(byUrl.folder, model);
  await assert.rejects(Tagger.load(new URL("https://example.org/model")), { code: "bad-option" });
  await assert.rejects(Tagger.load("no-such-model"), { code: "model-not-found" });
  await assert.rejects(Tagger.load(""), { code: "bad-option" });
});
