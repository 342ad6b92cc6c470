import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { evaluate } from "../../src/graph/evaluate.js";
import { gradients } from "../../src/graph/gradient.js";
import { input } from "../../src/graph/value.js";
import { castTensor } from "../../src/tensor/cast.js";
import type { DType } from "../../src/tensor/dtype.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { asymmetricLoss, classDistillationLoss, distillationLoss } from "../../src/train/losses.js";
import { cosineRate, stepRate, warmupRate } from "../../src/train/schedules.js";
import { readSafetensorsFixture } from "../read-safetensors.js";
import { shared, sharedMissing } from "../shared-data.js";

const skip = sharedMissing("parity/losses");

function compare(actual: Tensor, expected: Tensor, relative: number, absolute: number, what: string, ignore: (i: number) => boolean = () => false): void {
  for (let i = 0; i < expected.data.length; i++) {
    if (ignore(i)) continue;
    const [a, e] = [Number(actual.data[i]), Number(expected.data[i])];
    assert.ok(Math.abs(a - e) <= absolute + relative * Math.abs(e), `${what}, element ${i}: ${a}, expected ${e}`);
  }
}

test("asymmetric losses and their gradients equal the reference's", { skip }, () => {
  const tensors = readSafetensorsFixture(shared("parity/losses/losses.safetensors"));
  const file = JSON.parse(readFileSync(shared("parity/losses/cases.json"), "utf8"));
  const cases: { name: string; gamma_neg: number; gamma_pos: number; clip: number }[] = Array.isArray(file) ? file : (file.cases ?? Object.entries(file).map(([name, value]) => ({ name, ...(value as object) })));
  assert.ok(cases.length > 0);
  for (const c of cases) {
    if (!tensors.has(`${c.name}.value.float64`)) continue;
    for (const dtype of ["float64", "float32"] as const satisfies DType[]) {
      const logits = input("logits", dtype, [4, 60]);
      const loss = asymmetricLoss(logits, input("targets", dtype, [4, 60]), { gammaNegative: c.gamma_neg, gammaPositive: c.gamma_pos, clip: c.clip });
      const data = new Map([...tensors].filter(([k]) => k === "logits" || k === "targets").map(([k, t]) => [k, castTensor(t, dtype)] as const));
      const [value, grad] = evaluate([loss, gradients(loss, [logits])[0]!], data);
      const raw = tensors.get("logits")!.data;
      const noClip32 = dtype === "float32" && c.clip === 0;
      const against = noClip32 ? "float32" : "float64";
      const [r, ga] = dtype === "float64" ? [1e-12, 1e-12] : noClip32 ? [1e-5, 1e-6] : [1e-6, 5e-6];
      compare(value!, tensors.get(`${c.name}.value.${against}`)!, r, 0, `${c.name} ${dtype} value`);
      compare(grad!, tensors.get(`${c.name}.grad.${against}`)!, 0, ga, `${c.name} ${dtype} gradient`, (i) => noClip32 && Math.abs(Number(raw[i])) > 16 && Math.abs(Number(raw[i])) < 19);
    }
  }
});

test("the distillation loss equals the reference's", { skip }, () => {
  const tensors = readSafetensorsFixture(shared("parity/losses/losses.safetensors"));
  const a = input("a", "float64", [4, 16]);
  const loss = distillationLoss(a, input("b", "float64", [4, 16]));
  const data = new Map([["a", castTensor(tensors.get("l1.a")!, "float64")], ["b", castTensor(tensors.get("l1.b")!, "float64")]]);
  const [value, grad] = evaluate([loss, gradients(loss, [a])[0]!], data as ReadonlyMap<string, Tensor>);
  compare(value!, tensors.get("l1.value.float64")!, 1e-12, 0, "value");
  compare(grad!, tensors.get("l1.grad.float64")!, 0, 1e-12, "gradient");
});

test("unknown labels carry no loss and no gradient", () => {
  const logits = input("logits", "float64", [1, 3]);
  const loss = asymmetricLoss(logits, input("targets", "float64", [1, 3]), { gammaNegative: 7, gammaPositive: 0, clip: 0.05 }, input("known", "float64", [1, 3]));
  const row = (...v: number[]): Tensor => ({ dtype: "float64", shape: [1, 3], data: Float64Array.from(v) });
  const run = (x: number): Tensor[] => evaluate([loss, gradients(loss, [logits])[0]!], new Map([["logits", row(1, x, -2)], ["targets", row(1, 0, 0)], ["known", row(1, 0, 1)]]));
  const [first, second] = [run(3), run(-5)];
  assert.equal(Number(first[0]!.data[0]), Number(second[0]!.data[0]));
  assert.equal(Number(first[1]!.data[1]), 0);
});

test("schedules equal the reference's", { skip: sharedMissing("parity/schedules") }, () => {
  const file = JSON.parse(readFileSync(shared("parity/schedules/schedules.json"), "utf8"));
  const close = (a: number, e: number): void => assert.ok(Math.abs(a - e) <= 1e-12 * Math.abs(e), `${a}, expected ${e}`);
  let checked = 0;
  for (const [kind, rate] of [
    ["cosine", (at: number, c: Record<string, number>) => cosineRate(at, c["max_epoch"]!, c["init_lr"]!, c["min_lr"]!)],
    ["step", (at: number, c: Record<string, number>) => stepRate(at, c["init_lr"]!, c["min_lr"]!, c["decay_rate"]!)],
    ["warmup", (at: number, c: Record<string, number>) => warmupRate(at, c["max_step"]!, c["start_lr"]!, c["end_lr"]!)],
  ] as const) {
    for (const c of file[kind]) (c.lr as number[]).forEach((expected, i) => (checked++, close(rate((c.epochs ?? c.steps)[i], c), expected)));
  }
  assert.ok(checked > 20);
});

test("class distillation is the cross entropy over the tags of classes; its gradient is the difference of the distributions", () => {
  const of = (shape: readonly number[], data: readonly number[]): Tensor => ({ dtype: "float64", shape, data: Float64Array.from(data) });
  const logits = input("logits", "float64", [2, 4]);
  const loss = classDistillationLoss(logits, input("targets", "float64", [2, 4]), input("classes", "float64", [4]));
  // The third is no class; the second photo was not asked about.
  const feeds = new Map([["logits", of([2, 4], [1, 2, 50, 0.5, 3, 1, 4, 1])], ["targets", of([2, 4], [0.5, 0.3, 0, 0.2, 0, 0, 0, 0])], ["classes", of([4], [1, 1, 0, 1])]]);
  const [value, gradient] = evaluate([loss, gradients(loss, [logits])[0]!], feeds);
  const sum = Math.exp(1) + Math.exp(2) + Math.exp(0.5);
  const p = [Math.exp(1) / sum, Math.exp(2) / sum, 0, Math.exp(0.5) / sum];
  const expected = -(0.5 * Math.log(p[0]!) + 0.3 * Math.log(p[1]!) + 0.2 * Math.log(p[3]!));
  assert.ok(Math.abs(Number(value!.data[0]) - expected) < 1e-12);
  [p[0]! - 0.5, p[1]! - 0.3, 0, p[3]! - 0.2, 0, 0, 0, 0].forEach((g, i) => assert.ok(Math.abs(Number(gradient!.data[i]) - g) < 1e-12, `${i}: ${gradient!.data[i]}, expected ${g}`));
});
