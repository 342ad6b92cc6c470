/** Functions whose modules are read when they are first called: a program that only tags photos starts without them. */

/** As `convertCheckpoint` of `convert/convert-checkpoint.ts`. */
export const convertCheckpoint: typeof import("./convert/convert-checkpoint.js").convertCheckpoint = async (...given) => (await import("./convert/convert-checkpoint.js")).convertCheckpoint(...given);

/** As `train` of `train/train.ts`. */
export const train: typeof import("./train/train.js").train = async (...given) => (await import("./train/train.js")).train(...given);

/** As `diagnose` of `doctor/diagnose.ts`. */
export const diagnose: typeof import("./doctor/diagnose.js").diagnose = async (...given) => (await import("./doctor/diagnose.js")).diagnose(...given);

/** As `evaluateSet` of `eval/evaluate-set.ts`. */
export const evaluateSet: typeof import("./eval/evaluate-set.js").evaluateSet = async (...given) => (await import("./eval/evaluate-set.js")).evaluateSet(...given);

/** As `evaluateFolder` of `eval/evaluate-folder.ts`. */
export const evaluateFolder: typeof import("./eval/evaluate-folder.js").evaluateFolder = async (...given) => (await import("./eval/evaluate-folder.js")).evaluateFolder(...given);

/** As `evaluateBenchmark` of `eval/evaluate-benchmark.ts`. */
export const evaluateBenchmark: typeof import("./eval/evaluate-benchmark.js").evaluateBenchmark = async (...given) => (await import("./eval/evaluate-benchmark.js")).evaluateBenchmark(...given);

/** As `verifyModel` of `convert/verify-model.ts`. */
export const verifyModel: typeof import("./convert/verify-model.js").verifyModel = async (...given) => (await import("./convert/verify-model.js")).verifyModel(...given);

/** As `finishModel` of `train/finish-model.ts`. */
export const finishModel: typeof import("./train/finish-model.js").finishModel = async (...given) => (await import("./train/finish-model.js")).finishModel(...given);

/** As `pullModel` of `hub/pull-model.ts`. */
export const pullModel: typeof import("./hub/pull-model.js").pullModel = async (...given) => (await import("./hub/pull-model.js")).pullModel(...given);

/** As `listCache` of `hub/list-cache.ts`. */
export const listCache: typeof import("./hub/list-cache.js").listCache = async (...given) => (await import("./hub/list-cache.js")).listCache(...given);

/** As `cleanCache` of `hub/list-cache.ts`. */
export const cleanCache: typeof import("./hub/list-cache.js").cleanCache = async (...given) => (await import("./hub/list-cache.js")).cleanCache(...given);

/** As `listOfficialModels` of `hub/list-cache.ts`. */
export const listOfficialModels: typeof import("./hub/list-cache.js").listOfficialModels = async (...given) => (await import("./hub/list-cache.js")).listOfficialModels(...given);

/** As `setupCuda` of `hub/setup-cuda.ts`. */
export const setupCuda: typeof import("./hub/setup-cuda.js").setupCuda = async (...given) => (await import("./hub/setup-cuda.js")).setupCuda(...given);
/** As `TextEncoder.load` of `convert/text-encoder.ts`. */
export const loadTextEncoder: typeof import("./convert/text-encoder.js").TextEncoder.load = async (...given) => (await import("./convert/text-encoder.js")).TextEncoder.load(...given);

/** As `describedEmbeddings` of `convert/described-embeddings.ts`. */
export const describedEmbeddings: typeof import("./convert/described-embeddings.js").describedEmbeddings = async (...given) => (await import("./convert/described-embeddings.js")).describedEmbeddings(...given);

/** As `planDescriptions` of `describe/describe-tags.ts`. */
export const planDescriptions: typeof import("./describe/describe-tags.js").planDescriptions = async (...given) => (await import("./describe/describe-tags.js")).planDescriptions(...given);

/** As `describeTags` of `describe/describe-tags.ts`. */
export const describeTags: typeof import("./describe/describe-tags.js").describeTags = async (...given) => (await import("./describe/describe-tags.js")).describeTags(...given);

/** As `describeByTemplates` of `describe/describe-by-templates.ts`. */
export const describeByTemplates: typeof import("./describe/describe-by-templates.js").describeByTemplates = async (...given) => (await import("./describe/describe-by-templates.js")).describeByTemplates(...given);

/** As `buildBank` of `convert/build-bank.ts`. */
export const buildBank: typeof import("./convert/build-bank.js").buildBank = async (...given) => (await import("./convert/build-bank.js")).buildBank(...given);

/** As `teachTag` of `train/teach-tag.ts`. */
export const teachTag: typeof import("./train/teach-tag.js").teachTag = async (...given) => (await import("./train/teach-tag.js")).teachTag(...given);

/** As `calibrateModel` of `eval/calibrate-model.ts`. */
export const calibrateModel: typeof import("./eval/calibrate-model.js").calibrateModel = async (...given) => (await import("./eval/calibrate-model.js")).calibrateModel(...given);

/** As `evaluateCaptions` of `eval/evaluate-captions.ts`. */
export const evaluateCaptions: typeof import("./eval/evaluate-captions.js").evaluateCaptions = async (...given) => (await import("./eval/evaluate-captions.js")).evaluateCaptions(...given);

/** As `parseCaptions` of `data/parse-captions.ts`. */
export const parseCaptions = async (...given: Parameters<typeof import("./data/parse-captions.js").parseCaptions>): Promise<import("./data/parse-captions.js").ParsedCaptions> => (await import("./data/parse-captions.js")).parseCaptions(...given);

/** As `captionWords` of `data/parse-captions.ts`. */
export const captionWords = async (...given: Parameters<typeof import("./data/parse-captions.js").captionWords>): Promise<import("./data/parse-captions.js").CaptionWord[]> => (await import("./data/parse-captions.js")).captionWords(...given);

/** As `writeReferenceList` of `data/parse-captions.ts`. */
export const writeReferenceList: typeof import("./data/parse-captions.js").writeReferenceList = async (...given) => (await import("./data/parse-captions.js")).writeReferenceList(...given);

/** As `inspectSet` of `data/inspect-set.ts`. */
export const inspectSet: typeof import("./data/inspect-set.js").inspectSet = async (...given) => (await import("./data/inspect-set.js")).inspectSet(...given);

/** As `improveLabels` of `train/data-engine.ts`. */
export const improveLabels: typeof import("./train/data-engine.js").improveLabels = async (...given) => (await import("./train/data-engine.js")).improveLabels(...given);

/** As `finetune` of `train/finetune.ts`. */
export const finetune: typeof import("./train/finetune.js").finetune = async (...given) => (await import("./train/finetune.js")).finetune(...given);
