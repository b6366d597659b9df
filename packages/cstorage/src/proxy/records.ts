import type { StoreRole } from "../store.ts";
import { integerAt, nullableStringAt, stringAt } from "./rpc-fields.ts";
import { protocolError, type RpcFields } from "./rpc-message.ts";

/** A root that the helper shall serve. */
export interface ServedRoot {
  /** For messages alone: the directory comes as a descriptor. */
  readonly root: string;
  readonly role: StoreRole;
  /** Its images may lie in another root. */
  readonly split: boolean;
}

/** An image as it is told of. */
export interface ImageFacts {
  readonly id: string;
  readonly names: readonly string[];
  readonly digest: string | null;
  readonly root: string;
}

/** A layer as it is told of. */
export interface LayerFacts {
  readonly id: string;
  readonly diffId: string;
  readonly uncompressedSize: number | null;
  readonly root: string;
}

const ROLES: ReadonlySet<string> = new Set<StoreRole>(["primary", "imagestore", "additional"]);

/** @throws CstorageError `HELPER_PROTOCOL` */
export function readServedRoot(fields: RpcFields): ServedRoot {
  const role = stringAt(fields, "role");
  if (!ROLES.has(role)) throw protocolError(`the role "${role}"`);
  return { root: stringAt(fields, "root"), role: role as StoreRole, split: fields.split === true };
}

/** The facts alone. */
export function imageFacts({ id, names, digest, root }: ImageFacts): ImageFacts {
  return { id, names, digest, root };
}

/** @throws CstorageError `HELPER_PROTOCOL` */
export function readImageFacts(fields: RpcFields): ImageFacts {
  const { names } = fields;
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string")) {
    throw protocolError("an image whose names are no strings");
  }
  const [id, root] = [stringAt(fields, "id"), stringAt(fields, "root")];
  return { id, names, digest: nullableStringAt(fields, "digest"), root };
}

/** The facts alone. */
export function layerFacts({ id, diffId, uncompressedSize, root }: LayerFacts): LayerFacts {
  return { id, diffId, uncompressedSize, root };
}

/** @throws CstorageError `HELPER_PROTOCOL` */
export function readLayerFacts(fields: RpcFields): LayerFacts {
  return {
    id: stringAt(fields, "id"),
    diffId: stringAt(fields, "diffId"),
    uncompressedSize: fields.uncompressedSize === null ? null : integerAt(fields, "uncompressedSize", 0),
    root: stringAt(fields, "root"),
  };
}
