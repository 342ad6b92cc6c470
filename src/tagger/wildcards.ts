/** Whether a text fits a pattern in which `*` stands for any characters and `?` for one; case does not matter. Takes time by the product of their lengths at most. */
export function fitsPattern(text: string, pattern: string): boolean {
  const [t, p] = [[...text.toLowerCase()], [...pattern.toLowerCase()]];
  let [i, j, star, from] = [0, 0, -1, 0];
  while (i < t.length) {
    if (j < p.length && p[j] !== "*" && (p[j] === "?" || p[j] === t[i])) {
      i++;
      j++;
    } else if (p[j] === "*") {
      star = j++;
      from = i;
    } else if (star >= 0) {
      // The last star takes one more character.
      j = star + 1;
      i = ++from;
    } else return false;
  }
  while (p[j] === "*") j++;
  return j === p.length;
}
