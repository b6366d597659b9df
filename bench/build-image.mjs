#!/usr/bin/env node
// usage: build-image.mjs DUMPFILE IMAGE
// Reads a dumpfile, makes the EROFS image (V0, sha256, as mkcomposefs does) and prints the seconds that each took: the library alone.
import { readFileSync, writeFileSync } from "node:fs";
import { buildImage, parseDumpfileBytes } from "@composefs/core";

const [dumpfile, image] = process.argv.slice(2);
const start = performance.now();
const tree = parseDumpfileBytes(readFileSync(dumpfile), { hash: "sha256" });
const parsed = performance.now();
const bytes = buildImage(tree, { version: 0, hash: "sha256" });
const built = performance.now();
writeFileSync(image, bytes);
process.stdout.write(`${(parsed - start) / 1000} ${(built - parsed) / 1000}\n`);
