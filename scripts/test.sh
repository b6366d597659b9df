#!/usr/bin/env bash
# Sets up and runs all tests: unit, conformance, integration. The last line counts them; status 1 if any failed.
#
#   scripts/test.sh [VITEST ARGUMENT...]      for example: scripts/test.sh --project integration
#
# Integration tests mount file systems: without root they are skipped, each with its reason. COMPOSEFS_REQUIRE, a comma
# list of capabilities (tests/support/capabilities.ts), turns such a skip into a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
scripts/setup.sh test

report=$(mktemp)
trap 'rm -f "$report"' EXIT
status=0
node_modules/.bin/vitest run --reporter=default --reporter=json --outputFile.json="$report" "$@" </dev/null || status=$?

node - "$report" "$status" <<'JS'
const [report, status] = process.argv.slice(2);
const text = require("node:fs").readFileSync(report, "utf8");
const run = text === "" ? { testResults: [] } : JSON.parse(text);
// A file that fails before its first test, and a worker that dies, appear in no test's result.
const broken = run.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length;
const failed = (run.numFailedTests ?? 0) + broken;
const skipped = (run.numPendingTests ?? 0) + (run.numTodoTests ?? 0);
const unseen = failed === 0 && status !== "0" ? 1 : 0;
process.stdout.write(`${run.numPassedTests ?? 0} passed, ${failed + unseen} failed, ${skipped} skipped\n`);
process.exitCode = failed + unseen > 0 ? 1 : 0;
JS
