// The import direction of ARCHITECTURE: each folder may import the folders named here, and itself.
const allowed = {
  tensor: [],
  graph: ["tensor"],
  checkpoint: ["tensor"],
  image: ["tensor"],
  onnx: ["graph", "tensor"],
  runtime: ["onnx", "graph", "tensor"],
  model: ["graph", "tensor"],
  vocab: ["checkpoint", "tensor"],
  describe: ["vocab", "tensor"],
  bundle: ["vocab", "onnx", "checkpoint", "graph", "tensor"],
  hub: ["bundle", "runtime", "tensor"],
  tagger: ["bundle", "runtime", "image", "vocab", "tensor"],
  convert: ["model", "checkpoint", "bundle", "runtime", "tagger", "onnx", "graph", "vocab", "tensor"],
  doctor: ["tagger", "bundle", "runtime", "onnx", "graph", "image", "tensor"],
  data: ["image", "vocab", "tensor"],
  eval: ["tagger", "data", "vocab", "bundle", "image", "tensor"],
  train: ["eval", "data", "convert", "tagger", "model", "checkpoint", "bundle", "runtime", "onnx", "graph", "image", "vocab", "tensor"],
};
const folders = Object.keys(allowed);
module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } } },
    ...folders.map((folder) => ({
      name: `${folder}-imports`,
      severity: "error",
      from: { path: `^src/${folder}/` },
      to: { path: "^src/", pathNot: [`^src/(${[folder, ...allowed[folder]].join("|")})/`, "^src/(error|json|package-info|cache-folder|write-whole)\\.ts$"] },
    })),
    {
      name: "only-runtime-imports-onnxruntime",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/runtime/" },
      to: { path: "node_modules/onnxruntime-" },
    },
    {
      name: "nothing-imports-cli",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/cli/" },
      to: { path: "^src/cli/" },
    },
    {
      name: "cli-uses-the-public-door",
      severity: "error",
      from: { path: "^src/cli/" },
      to: { path: "^src/", pathNot: ["^src/cli/", "^src/index\\.ts$"] },
    },
    { name: "only-cli-imports-the-door", severity: "error", from: { path: "^src/", pathNot: "^src/cli/" }, to: { path: "^src/index\\.ts$" } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
