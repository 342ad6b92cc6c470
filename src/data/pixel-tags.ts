import type { Pixels } from "../image/pixels.js";
import type { TagIndex } from "../vocab/tag-index.js";
import { absent, present, unknown } from "./tag-targets.js";

/** Shares of a photo's pixels, from 0 to 1, by what they look like. */
export interface PixelShares {
  /** By colour. A pixel is of one colour or of none. */
  readonly colours: Readonly<Record<string, number>>;
  /** Pixels almost without colour. */
  readonly colourless: number;
  /** Mean luma (ITU-R BT.601). */
  readonly brightness: number;
}

/** Colours by hue in degrees, from and to, with the least saturation and value, and the greatest value. */
const hues: readonly (readonly [name: string, from: number, to: number, saturation: number, least: number, most: number])[] = [
  ["brown", 8, 45, 0.3, 0.15, 0.6],
  ["red", 345, 375, 0.55, 0.3, 1],
  ["pink", 300, 345, 0.25, 0.5, 1],
  ["pink", 345, 375, 0.2, 0.75, 1],
  ["yellow", 45, 70, 0.4, 0.5, 1],
  ["green", 70, 165, 0.2, 0.15, 1],
  ["blue", 180, 255, 0.25, 0.2, 1],
  ["purple", 255, 300, 0.25, 0.2, 1],
];

const names = ["black", "white", "gray", ...new Set(hues.map(([name]) => name))];

/** The colour of a pixel by hue, saturation and value (HSV, Smith 1978), or null. */
function colourOf(r: number, g: number, b: number): string | null {
  const [most, least] = [Math.max(r, g, b), Math.min(r, g, b)];
  const value = most / 255;
  if (value < 0.18) return "black";
  const chroma = most - least;
  const saturation = chroma / most;
  if (saturation < 0.12) return value > 0.85 ? "white" : "gray";
  const hue = 60 * (most === r ? ((g - b) / chroma + 6) % 6 : most === g ? (b - r) / chroma + 2 : (r - g) / chroma + 4);
  for (const [name, from, to, leastSaturation, leastValue, mostValue] of hues) {
    const within = (hue >= from && hue < to) || hue + 360 < to;
    if (within && saturation >= leastSaturation && value >= leastValue && value <= mostValue) return name;
  }
  return null;
}

/** What a photo's pixels look like, from at most some 4,000 of them in even steps. */
export function pixelShares({ width, height, data }: Pixels): PixelShares {
  const count = width * height;
  const step = Math.max(1, Math.floor(count / 4096));
  const colours: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]));
  let [seen, colourless, luma] = [0, 0, 0];
  for (let i = 0; i < count; i += step) {
    const [r, g, b] = [data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!];
    const colour = colourOf(r, g, b);
    if (colour !== null) colours[colour]!++;
    if (Math.max(r, g, b) - Math.min(r, g, b) <= 14) colourless++;
    luma += (0.299 * r + 0.587 * g + 0.114 * b) / 255;
    seen++;
  }
  for (const name of names) colours[name]! /= seen;
  return { colours, colourless: colourless / seen, brightness: luma / seen };
}

/** Present at this much of a photo or more, absent at this much or less, between them not to be said. */
const bands = { colour: [0.35, 0.12], colourless: [0.985, 0.9], bright: [0.68, 0.58], dark: [0.75, 0.65] } as const;

/** Writes into a photo's targets what its pixels say of the vocabulary's colours, of "black and white", "bright" and "dark". */
export function pixelTargets(targets: Int8Array, shares: PixelShares, index: TagIndex): void {
  const say = (name: string, share: number, [most, least]: readonly [number, number]): void => {
    const tag = index.byName(name);
    if (tag !== undefined) targets[tag.id] = share >= most ? present : share <= least ? absent : unknown;
  };
  for (const name of names) say(name, shares.colours[name]!, bands.colour);
  say("black and white", shares.colourless, bands.colourless);
  say("bright", shares.brightness, bands.bright);
  say("dark", 1 - shares.brightness, bands.dark);
}

/** Ids of the vocabulary's tags that pixels decide. */
export const pixelTagIds = (index: TagIndex): number[] => [...names, "black and white", "bright", "dark"].flatMap((name) => index.byName(name)?.id ?? []);
