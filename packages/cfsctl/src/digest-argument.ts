import type { OciDigest } from "@composefs/oci";
import { UsageError } from "./usage-error.ts";

/** An argument that must be a digest. @throws UsageError */
export async function digestArgument(text: string, name: string): Promise<OciDigest> {
  const { OciError, parseDigest } = await import("@composefs/oci");
  try {
    return parseDigest(text);
  } catch (error) {
    if (error instanceof OciError) throw new UsageError(`${name}: ${error.message}`);
    throw error;
  }
}
