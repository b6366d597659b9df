/** Name of a ref beneath `refs/`, with that in front of it or not (cli.md D10, D11). */
export function refName(text: string): string {
  return text.startsWith("refs/") ? text.slice("refs/".length) : text;
}
