/** The `code` of what `run` throws; undefined when it throws nothing. */
export function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
}

/** An error of this package with this code. */
export function ociError(code: string, details: object = {}): object {
  return { name: "OciError", code, details };
}
