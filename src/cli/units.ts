/** Bytes for people, in powers of ten: 1.3 GB. */
export function bytesText(bytes: number): string {
  const [unit, size] = ([["GB", 1e9], ["MB", 1e6], ["kB", 1e3]] as const).find(([, of]) => bytes >= of) ?? ["bytes", 1];
  return `${size === 1 ? bytes : (bytes / size).toFixed(1)} ${unit}`;
}
