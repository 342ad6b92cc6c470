/** The questions that RAM++'s descriptions answer (Huang et al. 2023, arXiv 2310.15200; github.com/xinyu1205/recognize-anything, Apache-2.0). */
export function promptsFor(tag: string): string[] {
  return [
    `Describe concisely what a(n) ${tag} looks like:`,
    `How can you identify a(n) ${tag} concisely?`,
    `What does a(n) ${tag} look like concisely?`,
    `What are the identifying characteristics of a(n) ${tag}:`,
    `Please provide a concise description of the visual characteristics of ${tag}:`,
  ];
}
