import nlp from "compromise/two";
import type { Tag } from "../vocab/tag.js";

/** A word of a sentence, brought to its dictionary form. */
export interface Lemma {
  /** Singular of a noun, infinitive of a verb, else the word in small letters. */
  readonly word: string;
  /** As it stood, in small letters. */
  readonly form: string;
  readonly kind: "noun" | "verb" | "other";
  /** What follows is a thing: an article, a preposition, a number, an adjective. */
  readonly introduces: boolean;
}

interface Term {
  readonly normal: string;
  readonly root?: string | null;
  readonly tags: readonly string[];
}

const introducing = ["Determiner", "Preposition", "Value", "Adjective", "Possessive"];

/** Words of a text as a small statistical parser sees them (compromise; English). Sentences follow one another. */
export function lemmasOf(text: string): Lemma[][] {
  const doc = nlp(text);
  doc.compute("root");
  const sentences = doc.json({ terms: {}, text: false }) as { terms: Term[] }[];
  return sentences.map(({ terms }) =>
    terms.flatMap(({ normal, root, tags }): Lemma[] => {
      const form = normal.replace(/['’]s?$/, "");
      if (form === "") return [];
      const kind = tags.includes("Noun") && !tags.includes("Pronoun") ? "noun" : tags.includes("Verb") ? "verb" : "other";
      // The parser's root of a possessive is its plural ("children's").
      const word = (tags.includes("Possessive") ? singular(form) : (root ?? form)) || form;
      return [{ word: word.replace(/['’]s?$/, ""), form, kind, introduces: introducing.some((tag) => tags.includes(tag)) }];
    }),
  );
}

function singular(form: string): string {
  const doc = nlp(form).tag("Noun");
  doc.compute("root");
  return (doc.json({ terms: {} }) as { terms: Term[] }[])[0]?.terms[0]?.root ?? form;
}

export interface CaptionTagsOptions {
  /** Names of tags that captions say without showing ("photo", "view"): never given. @default none */
  readonly stop?: readonly string[];
}

/** Most words of a name that is looked for. */
const longestName = 5;

/** Finds a vocabulary's tags in captions. */
export interface CaptionTags {
  /** Ids of the tags that a caption names, in the order of their first naming; parents are not added. */
  parse(caption: string): number[];
}

/**
 * A caption to tags as RAM makes them (RAM, section 3.2): words to dictionary forms, names and aliases found in them, the
 * longest first and none within another; what has several names is one tag. A name of one word in -ing that is no kind of
 * anything is an action: any form of its verb names it ("jumps", "jumped"), where no thing has that name.
 */
export function captionTags(tags: readonly Tag[], { stop = [] }: CaptionTagsOptions = {}): CaptionTags {
  const [nouns, actions] = [new Map<string, number>(), new Map<string, number>()];
  const stopped = new Set(stop.map((name) => name.toLowerCase()));
  const add = (map: Map<string, number>, key: string, id: number): void => void (map.has(key) || map.set(key, id));
  // Own names before aliases, so that an alias of one tag that is another's name is the other's.
  for (const names of [(tag: Tag) => [tag.en], (tag: Tag) => tag.aliases ?? []]) {
    for (const tag of tags) {
      if (stopped.has(tag.en.toLowerCase())) continue;
      for (const name of names(tag)) {
        const plain = name.toLowerCase();
        const words = plain.split(/[\s-]+/).filter((word) => word !== "");
        const verb = words.length === 1 && isAction(tag, plain) ? infinitive(plain) : null;
        if (verb !== null) {
          add(actions, verb, tag.id);
          add(nouns, plain, tag.id);
        } else {
          add(nouns, words.join(" "), tag.id);
          // The last word of a name may be plural where the caption's is not, and the other way round.
          add(nouns, [...words.slice(0, -1), singular(words.at(-1)!)].join(" "), tag.id);
        }
      }
    }
  }
  return {
    parse(caption) {
      const found = new Set<number>();
      for (const sentence of lemmasOf(caption.replaceAll("-", " "))) {
        for (let i = 0; i < sentence.length; ) {
          const match = longestAt(sentence, i, nouns, actions);
          if (match === null) i++;
          else {
            found.add(match.id);
            i += match.words;
          }
        }
      }
      return [...found];
    },
  };
}

function longestAt(sentence: readonly Lemma[], at: number, nouns: ReadonlyMap<string, number>, actions: ReadonlyMap<string, number>): { id: number; words: number } | null {
  for (let words = Math.min(longestName, sentence.length - at); words > 0; words--) {
    const span = sentence.slice(at, at + words);
    const last = span.at(-1)!;
    const before = span.slice(0, -1).map(({ form }) => form);
    // A verb names no thing ("a man watches"), unless it is part of a longer name, or stands where none can ("on skis").
    const single = words === 1 && last.kind === "verb" && sentence[at - 1]?.introduces !== true;
    const id = single ? undefined : (nouns.get([...before, last.word].join(" ")) ?? nouns.get([...before, last.form].join(" ")));
    if (id !== undefined) return { id, words };
  }
  // The parser takes some verbs for nouns ("a dog runs"): where no thing has the name, the action is meant.
  const { word, form } = sentence[at]!;
  const action = actions.get(word) ?? (form.endsWith("ing") ? nouns.get(form) : undefined);
  return action === undefined ? null : { id: action, words: 1 };
}

/** Things in -ing among the tags of RAM and everyday words. */
const things = new Set("awning bedding building ceiling clothing crossing darling dining drawing dressing duckling dumpling earring evening flooring housing icing king landing lightning lining morning painting parking piping pudding railing ring spring sting stocking string swing thing wedding wing".split(" "));

/** A kind of something is a thing, and so are some words that end as actions do. */
function isAction(tag: Tag, name: string): boolean {
  return name.endsWith("ing") && tag.wnid === undefined && (tag.parents ?? []).length === 0 && !things.has(name);
}

/** The verb of a word in -ing, or null where the parser sees none. */
function infinitive(gerund: string): string | null {
  const [lemma] = lemmasOf(`they are ${gerund}`)[0]?.slice(-1) ?? [];
  return lemma?.kind === "verb" && lemma.word !== gerund ? lemma.word : null;
}
