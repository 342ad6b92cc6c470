/** WordNet noun synsets by id ("n" and eight digits): their words and direct hypernyms. */
export type Hypernyms = Readonly<Record<string, { readonly words: readonly string[]; readonly parents: readonly string[] }>>;

/** Every ancestor of a synset, without itself; empty for an unknown id. */
export function ancestors(wnid: string, hypernyms: Hypernyms): Set<string> {
  const found = new Set<string>();
  const open = [...(hypernyms[wnid]?.parents ?? [])];
  while (open.length > 0) {
    const next = open.pop()!;
    if (found.has(next)) continue;
    found.add(next);
    open.push(...(hypernyms[next]?.parents ?? []));
  }
  return found;
}
