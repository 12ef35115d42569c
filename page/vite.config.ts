import { defineConfig } from "vitest/config";
import { compress } from "./build/compress.ts";
import { licences } from "./build/licences.ts";

const LICENCES = "licences.txt";
/** Vitest's limit of a test is wall-clock time, which includes stalls of the host. */
const TIMEOUT_MS = 120_000;
/** For `npm run dev`: a service in evaluation mode. */
const SERVICE = process.env.SERVICE ?? "http://127.0.0.1:5000";

export default defineConfig({
  // Where the service serves the page.
  base: "/static/",
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "es2022",
    // The licences of what is bundled go with it.
    license: { fileName: LICENCES },
    // The page itself says what it needs next; the polyfill for old browsers would be script for
    // nothing.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  plugins: [licences(LICENCES), compress({ limit: 280_000 })],
  server: {
    proxy: Object.fromEntries(
      [
        "/users",
        "/experiments",
        "/scientists-experiments",
        "/measures",
        "/measure-types",
        "/rejected-messages",
      ]
        .concat(["/static/configuration.json", "/static/evaluation-tokens"])
        .map((path) => [path, { target: SERVICE, changeOrigin: true }]),
    ),
  },
  test: {
    include: ["src/**/*.test.ts"],
    testTimeout: TIMEOUT_MS,
    hookTimeout: TIMEOUT_MS,
    teardownTimeout: TIMEOUT_MS,
  },
});
