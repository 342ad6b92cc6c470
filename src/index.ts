/** ramplus: RAM++ image tagging. This file is the library's only door. */
export { RamplusError } from "./error.js";

export { Tagger } from "./tagger/tagger.js";
export type { FeatureOutcome, TaggerOptions, TagOptions, TagOutcome, TagResult, TagStreamOptions, TagTimes } from "./tagger/tagger.js";
export type { ChosenTag, TagChoiceOptions } from "./tagger/tag-choice.js";
export { fitsPattern } from "./tagger/wildcards.js";
export type { TagScore, SelectOptions } from "./tagger/select-tags.js";
export type { ImageInput, LoadOptions } from "./tagger/image-input.js";
export { TaggerError } from "./tagger/tagger-error.js";
export { embeddedModel, findModel } from "./tagger/find-model.js";

export type { Tensor } from "./tensor/tensor.js";
export type { Pixels } from "./image/pixels.js";
export { ImageError } from "./image/image-error.js";
export type { ImageErrorCode } from "./image/image-error.js";
export { isImageFile } from "./image/is-image-file.js";

export type { Tag } from "./vocab/tag.js";
export { indexTags } from "./vocab/tag-index.js";
export type { TagIndex } from "./vocab/tag-index.js";
export { parseTags } from "./vocab/tag-list.js";
export { VocabularyError } from "./vocab/vocabulary-error.js";
export { loadHypernyms } from "./vocab/wordnet.js";
export type { Hypernyms } from "./vocab/wordnet.js";

export { readDescriptions, parseDescriptions, writeDescriptions } from "./vocab/descriptions.js";
export type { Description } from "./vocab/descriptions.js";
export { classTexts, photoText, promptTemplates, templateDescriptions } from "./vocab/prompt-templates.js";
export { readTextList } from "./vocab/text-lists.js";
export { assertSameOrigin, descriptionsOf, diffBanks, mergeBanks, openSetThreshold, originText } from "./vocab/tag-bank.js";
export type { BankDifference, BankOrigin, BankTag, TagBank, WordEncoder } from "./vocab/tag-bank.js";
export { bankFile, bankName, banksFolder, listBanks, readBank, writeBank } from "./vocab/bank-file.js";
export type { WriteBankOptions } from "./vocab/bank-file.js";
export { exportBank } from "./vocab/export-bank.js";

export { readModelFolder } from "./bundle/model-folder.js";
export type { ModelFolder } from "./bundle/model-folder.js";
export { verifyBankGraph, verifyGraphs } from "./bundle/verify-graphs.js";
export type { BankGraphReport, GraphReport, PrecisionReport } from "./bundle/verify-graphs.js";
export { precisions } from "./bundle/model-config.js";
export type { ModelConfig, Precision, PreprocessorConfig } from "./bundle/model-config.js";
export { calibrationFile, readCalibration, writeCalibration } from "./bundle/calibration.js";
export type { Calibration, ProbabilityKnot, TagCalibration, ThresholdPoint } from "./bundle/calibration.js";
export { readBackground } from "./bundle/background.js";
export { modelsFolder } from "./bundle/models-folder.js";
export { replaceModelFolder } from "./bundle/replace-model-folder.js";
export { BundleError } from "./bundle/bundle-error.js";

export { devices } from "./runtime/device.js";
export type { Device } from "./runtime/device.js";
export { RuntimeError } from "./runtime/runtime-error.js";

export { buildBank, calibrateModel, captionWords, cleanCache, convertCheckpoint, describeByTemplates, describedEmbeddings, describeTags, diagnose, evaluateBenchmark, evaluateCaptions, evaluateFolder, evaluateSet, finetune, finishModel, improveLabels, inspectSet, listCache, listOfficialModels, loadTextEncoder, parseCaptions, planDescriptions, pullModel, setupCuda, teachTag, train, verifyModel, writeReferenceList } from "./on-demand.js";
export type { ConvertOptions, ConvertResult } from "./convert/convert-checkpoint.js";
export type { PrecisionCheck } from "./convert/check-precisions.js";
export type { DifferingTag, LogitComparison } from "./convert/compare-logits.js";
export { referenceKinds } from "./convert/reference-kind.js";
export type { ReferenceKind } from "./convert/reference-kind.js";
export type { FailedPhoto, VerifyMeasure, VerifyOptions, VerifyPhoto, VerifyReport } from "./convert/verify-model.js";
export { ConvertError } from "./convert/convert-error.js";
export type { EncodeOptions, TextEncoder, TextEncoderOptions } from "./convert/text-encoder.js";
export type { BuildBankOptions } from "./convert/build-bank.js";
export type { DescribedOptions, TagEmbedding } from "./convert/described-embeddings.js";
export { CheckpointError } from "./checkpoint/checkpoint-error.js";

export { HubError } from "./hub/hub-error.js";
export type { HubErrorCode } from "./hub/hub-error.js";
export { officialNames } from "./hub/official-files.js";
export type { HubRepository, OfficialFile, OfficialFiles, OfficialName } from "./hub/official-files.js";
export type { HubSettings } from "./hub/hub-settings.js";
export type { PulledFile, PulledModel, PullOptions } from "./hub/pull-model.js";
export type { SetupCudaOptions, SetupCudaResult } from "./hub/setup-cuda.js";
export type { CacheEntry, OfficialModel } from "./hub/list-cache.js";
export type { TagLists } from "./hub/tag-lists.js";
export type { Timing } from "./hub/timing.js";
export type { TransferProgress } from "./hub/transfer-progress.js";
export { bytesText } from "./hub/bytes-text.js";
export { DescribeError } from "./describe/describe-error.js";
export type { DescribeErrorCode } from "./describe/describe-error.js";
export { openAiBaseUrl } from "./describe/endpoint.js";
export type { Endpoint } from "./describe/endpoint.js";
export { promptsFor } from "./describe/prompts.js";
export type { DescribeOptions, DescribePlan, DescribeResult } from "./describe/describe-tags.js";

export { DataError } from "./data/data-error.js";
export { readLabelFile } from "./data/label-file.js";
export type { PhotoTags } from "./data/label-file.js";
export { readCaptionedPhotos } from "./data/captioned-photos.js";
export type { CaptionedPhoto } from "./data/captioned-photos.js";
export type { CaptionWord, ParsedCaptions, ParsedPhoto } from "./data/parse-captions.js";
export type { InspectOptions, SetInspection } from "./data/inspect-set.js";
export { benchmarkNames } from "./data/benchmark.js";
export type { BenchmarkName } from "./data/benchmark.js";
export { EvalError } from "./eval/eval-error.js";
export type { EvalErrorCode } from "./eval/eval-error.js";
export { evaluateScores } from "./eval/evaluate-scores.js";
export type { MeanFigures, ScoreFigures, TagGroup } from "./eval/evaluate-scores.js";
export type { PooledCurve } from "./eval/pooled-curve.js";
export type { AtThreshold, PrecisionRecallF1 } from "./eval/precision-recall.js";
export type { ScoredColumn, TagFigures } from "./eval/tag-figures.js";
export type { EvaluateOptions, Evaluation } from "./eval/evaluate.js";
export type { BenchmarkFolders } from "./eval/evaluate-benchmark.js";
export type { EvaluateCaptionsOptions } from "./eval/evaluate-captions.js";
export type { EvaluateSetOptions, SetReport, TagReport } from "./eval/evaluate-set.js";
export type { UnscoredPhoto } from "./eval/score-photos.js";
export type { CalibratedModel, CalibrateModelOptions, CalibrationSource } from "./eval/calibrate-model.js";
export type { BeforeAfter, CalibratedTag, CalibrateOptions, CalibrationReport } from "./eval/calibrate.js";
export type { ThresholdTarget } from "./eval/threshold-target.js";
export { readGroups } from "./eval/tag-groups.js";
export type { Grouping, NamedGroups } from "./eval/tag-groups.js";

export type { DiagnoseOptions } from "./doctor/diagnose.js";
export type { Advice, AdviceCode, CacheReport, Checked, CpuFeature, CpuReport, DeviceReport, Diagnosis, MemoryReport, ModelReport, NodeReport, Placement, TimedRun } from "./doctor/diagnosis.js";
export type { DecoderReport } from "./image/inspect-decoders.js";
export type { NativeRuntimeReport, RuntimeReport } from "./runtime/inspect-runtime.js";

export type { TaughtTag, TeachOptions, TeachReport } from "./train/teach-tag.js";
export type { DataEngineOptions, DataEngineReport, DataEngineStep } from "./train/data-engine.js";
export type { FinetuneOptions } from "./train/finetune.js";
export type { FinetunedTag, FinetuneResult } from "./train/finetune-report.js";
export type { TrainOptions, TrainProgress } from "./train/train-options.js";
export type { FinishedTag, FinishOptions } from "./train/finish-model.js";
export type { TrainResult } from "./train/train.js";
export { TrainError } from "./train/train-error.js";

export { packageRoot, packageVersion } from "./package-info.js";
