import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import sharp from "sharp";

const colours = { red: [255, 0, 0], green: [0, 255, 0], blue: [0, 0, 255], grey: [128, 128, 128] } as const;

/** Writes photos of one colour each, which the tiny model's tags name. */
export async function writeColours(folder: string, photos: Readonly<Record<string, keyof typeof colours>>): Promise<void> {
  for (const [name, colour] of Object.entries(photos)) {
    const file = join(folder, name);
    await mkdir(dirname(file), { recursive: true });
    const [r, g, b] = colours[colour];
    await sharp({ create: { width: 16, height: 16, channels: 3, background: { r, g, b } } }).toFormat(name.endsWith(".png") ? "png" : "jpeg").toFile(file);
  }
}
