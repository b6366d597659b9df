import { CstorageError } from "../errors.ts";

/** Fields of a request, a result or an error, not checked yet. */
export type RpcFields = Readonly<Record<string, unknown>>;

/** A JSON-RPC 2.0 message. */
export type RpcMessage =
  | { readonly kind: "request"; readonly id: number; readonly method: string; readonly params: RpcFields }
  | { readonly kind: "notification"; readonly method: string; readonly params: RpcFields }
  | { readonly kind: "result"; readonly id: number; readonly result: RpcFields }
  | { readonly kind: "error"; readonly id: number; readonly error: RpcFields };

const LENGTH_BYTES = 4;

/**
 * Bytes of a message: length of the JSON (4 bytes, little-endian), the JSON, then `payload`, whose meaning is the
 * method's. So large binary data needs no base64.
 */
export function encodeRpc(message: RpcMessage, payload: Uint8Array = new Uint8Array()): Buffer {
  const json = Buffer.from(JSON.stringify(jsonOf(message)));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(json.length);
  return Buffer.concat([length, json, payload]);
}

function jsonOf(message: RpcMessage): object {
  const { kind, ...fields } = message;
  return { jsonrpc: "2.0", ...fields };
}

/** Reads {@link encodeRpc}'s bytes. @throws CstorageError `HELPER_PROTOCOL` */
export function decodeRpc(data: Uint8Array): { message: RpcMessage; payload: Uint8Array } {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const end = bytes.length < LENGTH_BYTES ? 0 : LENGTH_BYTES + bytes.readUInt32LE();
  if (end === 0 || end > bytes.length) throw protocolError("a message without its JSON");
  return { message: parse(bytes.toString("utf8", LENGTH_BYTES, end)), payload: bytes.subarray(end) };
}

function parse(text: string): RpcMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw protocolError("a message that is no JSON", cause);
  }
  const { jsonrpc, id, method, params = {}, result, error } = fieldsOf(value);
  if (jsonrpc !== "2.0") throw protocolError("a message that is not JSON-RPC 2.0");
  if (typeof method === "string") {
    return id === undefined
      ? { kind: "notification", method, params: fieldsOf(params) }
      : { kind: "request", id: checkId(id), method, params: fieldsOf(params) };
  }
  if (error !== undefined) return { kind: "error", id: checkId(id), error: fieldsOf(error) };
  return { kind: "result", id: checkId(id), result: fieldsOf(result) };
}

function fieldsOf(value: unknown): RpcFields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as RpcFields;
  throw protocolError("a message of another shape");
}

function checkId(id: unknown): number {
  if (Number.isSafeInteger(id) && (id as number) >= 0) return id as number;
  throw protocolError("a message with an id of another shape");
}

/** The error for a peer that does not keep to the protocol. */
export function protocolError(found: string, cause?: unknown): CstorageError {
  return new CstorageError("HELPER_PROTOCOL", `connection between pull and helper: ${found}`, {
    details: { found },
    cause,
  });
}
