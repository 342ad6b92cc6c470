/** What scores are: "logits", as the network gives them, or "sigmoid", the probabilities made of them. */
export type ReferenceKind = "logits" | "sigmoid";

export const referenceKinds: readonly ReferenceKind[] = ["logits", "sigmoid"];
