/** Codes of {@link CliError}; docs/errors.md says what each means. */
export type CliErrorCode = "OUTPUT_TERMINAL" | "REPO_REQUIRED";

/** Something that the command itself refuses: exit status 1. What makes no sense at all is a `UsageError`. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  readonly hint: string | undefined;

  constructor(
    code: CliErrorCode,
    message: string,
    extras: { readonly details?: Readonly<Record<string, unknown>>; readonly hint?: string } = {},
  ) {
    super(message);
    this.code = code;
    this.details = extras.details ?? {};
    this.hint = extras.hint;
  }
}
