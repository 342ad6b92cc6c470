import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", ".build", "node_modules", "src/onnx/onnx_pb.ts", "models", "runs", "**/*.cjs"] },
  ...tseslint.configs.recommended,
  {
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-restricted-globals": ["error"],
    },
  },
);
