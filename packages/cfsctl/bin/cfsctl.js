#!/usr/bin/env node
import { initIfHelper } from "@composefs/cstorage/helper";

// A pull without root starts this program again as its helper; nothing else may happen before.
await initIfHelper();
const { runCli } = await import("../dist/index.js");

// As it was called: a link to this file may have the name of another program (cli.md §1.7).
process.exitCode = await runCli(process.argv.slice(2), process, process.argv[1]);
