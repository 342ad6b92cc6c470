/** A generator of numbers in [0, 1). */
export type Random = () => number;

/** A generator whose sequence depends on the given integers alone (their hash seeds sfc32). */
export function seededRandom(...seeds: readonly number[]): Random {
  let hash = 0x811c9dc5;
  const mix = (word: number): number => {
    hash = Math.imul(hash ^ word, 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    return (hash ^= hash >>> 12);
  };
  for (const seed of seeds) {
    mix(seed >>> 0);
    mix(Math.floor(seed / 4294967296) >>> 0);
  }
  let [a, b, c, counter] = [mix(1), mix(2), mix(3), 1];
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    return (t >>> 0) / 4294967296;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** A random order of 0 .. count - 1 (Fisher & Yates). */
export function permutation(count: number, random: Random): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** A normally distributed number with mean 0 and variance 1 (Box & Muller). */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** A Poisson-distributed number (Knuth's multiplication); of a mean above 30 a rounded normal one, which is as good and does not take as long. */
export function poisson(mean: number, random: Random): number {
  if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)));
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random(); product > limit; product *= random()) count++;
  return count;
}
