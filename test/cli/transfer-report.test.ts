import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { transferReport } from "../../src/cli/transfer-report.js";

function terminal(columns: number | null): { readonly stderr: Writable & { isTTY?: boolean; columns?: number }; text(): string } {
  const chunks: string[] = [];
  const stderr = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  return { stderr: columns === null ? stderr : Object.assign(stderr, { isTTY: true, columns }), text: () => chunks.join("") };
}

const progress = { file: "weights\u001b[2J.pth", received: 1.5e9, total: 3e9, bytesPerSecond: 10e6, secondsLeft: 150 } as const;

test("on a terminal one line tells amount, rate and time left, cut to its width and ended when the work ends", () => {
  const wide = terminal(120);
  {
    using report = transferReport(wide);
    report.show({ ...progress, phase: "downloading" });
  }
  assert.equal(wide.text(), "\rweights\\x1b[2J.pth: downloading  1.50 GB of 3.00 GB  10 MB/s  2m30s left\u001b[K\n");
  const narrow = terminal(30);
  {
    using report = transferReport(narrow);
    report.show({ ...progress, phase: "done" });
  }
  assert.equal(narrow.text(), "\rweights\\x1b[2J.pth: done  1.5\u001b[K\n");
});

test("into a file a phase is told once, not each step", () => {
  const file = terminal(null);
  {
    using report = transferReport(file);
    for (let i = 0; i < 100; i++) report.show({ ...progress, phase: "downloading", received: i });
    report.show({ ...progress, phase: "done", received: 3e9 });
  }
  assert.deepEqual(file.text().split("\n").map((line) => line.split("  ")[0]), ["weights\\x1b[2J.pth: downloading", "weights\\x1b[2J.pth: done", ""]);
});
