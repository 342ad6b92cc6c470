import { writeDescriptions } from "../vocab/descriptions.js";
import { templateDescriptions } from "../vocab/prompt-templates.js";
import { checkAbsent, checkTags } from "./check-request.js";

/** Writes the texts of the 63 templates as descriptions; nothing is asked. Throws a DescribeError (bad-option, exists) or a VocabularyError (unwritable). */
export async function describeByTemplates(tags: readonly string[], out: string, { force = false }: { readonly force?: boolean } = {}): Promise<void> {
  checkTags(tags);
  if (!force) await checkAbsent(out);
  await writeDescriptions(out, templateDescriptions(tags));
}
