import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, expect } from "vitest";
import type { OciError } from "../../src/errors.ts";
import { openRegistrySource } from "../../src/registry/open-registry.ts";
import type { BlobSource } from "../../src/source/blob-source.ts";
import {
  describeBytes,
  optionsFor,
  type Script,
  type ScriptedFiles,
  type ScriptedRegistry,
  type Seen,
  startScripted,
} from "./scripted-registry.ts";

export const TYPE = "application/vnd.oci.image.manifest.v1+json";
export const MANIFEST = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: TYPE, layers: [] }));
export const BLOB = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251));
export const BLOB_DESCRIPTOR = describeBytes(BLOB);

export let registry: ScriptedRegistry;
export let other: ScriptedRegistry;
const opened: BlobSource[] = [];

beforeEach(async () => {
  registry = await startScripted(serveAll);
  other = await startScripted((_, response) => response.writeHead(404).end());
});
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close();
  await registry.close();
  await other.close();
});

/** A sound registry. */
export function serveAll(request: Seen, response: ServerResponse): void {
  if (request.url.includes("/manifests/")) response.setHeader("content-type", TYPE).end(MANIFEST);
  else if (request.url.includes("/blobs/")) response.setHeader("content-length", BLOB.length).end(BLOB);
  else response.writeHead(404).end();
}

export async function open(name = "team/app:v1", files: ScriptedFiles = {}): Promise<BlobSource> {
  const options = optionsFor([registry.host, other.host], files);
  const source = await openRegistrySource(`docker://${registry.host}/${name}`, options);
  opened.push(source);
  return source;
}

/** What the candidates' way answers with: a script for manifests, soundness for the rest. */
export function manifests(script: Script): void {
  registry.script = (request, response) =>
    request.url.includes("/manifests/") ? script(request, response) : serveAll(request, response);
}

export function blobs(script: Script): void {
  registry.script = (request, response) =>
    request.url.includes("/blobs/") ? script(request, response) : serveAll(request, response);
}

export function blobRequests(): Seen[] {
  return registry.seen.filter(({ url }) => url.includes("/blobs/"));
}

export async function failure(promise: Promise<unknown>): Promise<OciError> {
  return promise.then(
    () => expect.fail("it did not fail"),
    (error) => error,
  );
}
