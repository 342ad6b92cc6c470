import { officialModelNames, type OfficialModelName } from "../bundle/models-folder.js";

/** A repository of the Hugging Face hub. */
export interface HubRepository {
  readonly type: "model" | "space" | "dataset";
  /** OWNER/NAME. */
  readonly name: string;
}

/** What `ramplus pull` knows by name: the models, and the text encoder that makes new tags. */
export type OfficialName = OfficialModelName | "clip-text";

export const officialNames: readonly OfficialName[] = [...officialModelNames, "clip-text"];

/** A file of a repository. */
export interface OfficialFile {
  readonly path: string;
  /** Where known beforehand; else what the hub announces at the first pull holds. */
  readonly bytes?: number;
  readonly sha256?: string;
}

/** What is fetched under a name. */
export interface OfficialFiles {
  readonly title: string;
  readonly licence: string;
  readonly repository: HubRepository;
  /** The commit to fetch; null where none is pinned: then the commit that the hub names at the first pull is recorded and kept. */
  readonly revision: string | null;
  readonly files: readonly OfficialFile[];
  /** The file that is converted to a model folder, if one is. */
  readonly checkpoint: string | null;
}

/**
 * The official files. Bytes and sha256 of RAM++'s checkpoint are as other projects state them. Its repository also has
 * ram_plus_tag_embedding_class_4585_des_51.pth (478,895,553 bytes), for training from scratch: the checkpoint holds the same
 * embeddings, so it is not fetched.
 */
export const officialFiles: Readonly<Record<OfficialName, OfficialFiles>> = {
  "ram-plus": {
    title: "RAM++ (Swin-L, 384 px, 4,585 tags x 51 descriptions)",
    licence: "Apache-2.0",
    repository: { type: "model", name: "xinyu1205/recognize-anything-plus-model" },
    revision: "84d4aee3a0265c4e0df1f714f0572011d1bf2ec3",
    files: [{ path: "ram_plus_swin_large_14m.pth", bytes: 3_010_210_801, sha256: "497c178836ba66698ca226c7895317e6e800034be986452dbd2593298d50e87d" }],
    checkpoint: "ram_plus_swin_large_14m.pth",
  },
  ram: {
    title: "RAM (Swin-L, 384 px, 4,585 tags)",
    licence: "Apache-2.0",
    repository: { type: "space", name: "xinyu1205/Recognize_Anything-Tag2Text" },
    revision: null,
    files: [{ path: "ram_swin_large_14m.pth" }],
    checkpoint: "ram_swin_large_14m.pth",
  },
  "clip-text": {
    title: "CLIP ViT-B/16, whose text encoder makes banks of new tags",
    licence: "MIT",
    repository: { type: "model", name: "openai/clip-vit-base-patch16" },
    revision: null,
    files: [{ path: "model.safetensors" }, { path: "vocab.json" }, { path: "merges.txt" }, { path: "config.json" }],
    checkpoint: null,
  },
};

/** The published lists of tags. They come with this package; one whose sha256 differs there is fetched from the commit that they are pinned to. */
export const publishedLists = {
  licence: "Apache-2.0",
  address: "https://raw.githubusercontent.com/xinyu1205/recognize-anything/7cb804a/ram/data/",
  files: [
    { path: "ram_tag_list.txt", sha256: "5d96d2f7225527480ad773aaac76b6e5c08a18adf6eae9ca7d2ab923d5e7bd8b" },
    { path: "ram_tag_list_chinese.txt", sha256: "c912657a0f30be7b2f5df6ccffa17e1d84561d0bea508528e38b6d0d711bcfbe" },
    { path: "ram_tag_list_threshold.txt", sha256: "b6f81d0de1bc7f9c251af512c413eae976c77dbfbadf700d4e3d90510f4c6447" },
  ],
} as const;
