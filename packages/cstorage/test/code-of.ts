/** The `code` of what `run` throws; undefined when it throws nothing. */
export function codeOf(run: () => unknown): string | undefined {
  return thrownBy(run)?.code;
}

/** What `run` throws, as a coded error; undefined when it throws nothing. */
export function thrownBy(
  run: () => unknown,
): { code?: string; details: Record<string, unknown>; hint?: string } | undefined {
  try {
    run();
  } catch (error) {
    return error as { code?: string; details: Record<string, unknown>; hint?: string };
  }
  return undefined;
}
