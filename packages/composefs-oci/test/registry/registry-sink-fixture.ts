import { afterEach, beforeEach } from "vitest";
import { openRegistrySink } from "../../src/registry/open-registry.ts";
import type { BlobSink } from "../../src/sink/blob-sink.ts";
import {
  bodyOf,
  optionsFor,
  type Script,
  type ScriptedFiles,
  type ScriptedRegistry,
  sha256,
  startScripted,
} from "./scripted-registry.ts";

export const CONTENT = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 11) % 241));
export const FACTS = { digest: sha256(CONTENT), size: CONTENT.length };

export let registry: ScriptedRegistry;
/** The blob that the registry took last. */
export const taken: { bytes: Buffer } = { bytes: Buffer.alloc(0) };
const sinks: BlobSink[] = [];

beforeEach(async () => {
  taken.bytes = Buffer.alloc(0);
  registry = await startScripted(take());
});
afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close();
  await registry.close();
});

/** A sound registry; `steps` take the place of what it does for a method. */
export function take(steps: Record<string, Script> = {}): Script {
  const sound: Record<string, Script> = {
    HEAD: (_, response) => response.writeHead(404).end(),
    POST: (_, response) => response.writeHead(202, { location: "/v2/app/blobs/uploads/1?_state=a%2Bb" }).end(),
    PATCH: async (request, response) => {
      taken.bytes = await bodyOf(request);
      response.writeHead(202, { location: "/v2/app/blobs/uploads/1?_state=c%2Bd" }).end();
    },
    PUT: async (request, response) => {
      const body = await bodyOf(request);
      const digest = request.url.includes("/manifests/") ? sha256(body) : sha256(taken.bytes);
      response.writeHead(201, { "docker-content-digest": digest }).end();
    },
    DELETE: (_, response) => response.writeHead(204).end(),
  };
  return (request, response) => (steps[request.method] ?? sound[request.method])?.(request, response);
}

export async function open(name = "app:v1", files: ScriptedFiles = {}): Promise<BlobSink> {
  const sink = await openRegistrySink(`docker://${registry.host}/${name}`, optionsFor([registry.host], files));
  sinks.push(sink);
  return sink;
}

export function methods(): string[] {
  return registry.seen.map(({ method }) => method);
}
