import { splitTag } from "./repository-name.ts";

const MAX_SUGGESTIONS = 5;
/** Longer inputs are not compared: the distance costs length times length. */
const MAX_COMPARED_LENGTH = 128;

/** Names out of `names` that `text` may have meant, best first: same last component, then small edit distance. */
export function suggestNames(names: readonly string[], text: string): readonly string[] {
  const wanted = lastComponent(text);
  if (wanted === "" || wanted.length > MAX_COMPARED_LENGTH) return [];
  // Two letters changed places are a distance of two, and a common slip even in short names.
  const limit = Math.ceil(wanted.length / 3);
  const ranked: { name: string; rank: number }[] = [];
  for (const name of new Set(names)) {
    const rank = editDistance(wanted, lastComponent(name));
    if (rank <= limit) ranked.push({ name, rank });
  }
  ranked.sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1));
  return ranked.slice(0, MAX_SUGGESTIONS).map(({ name }) => name);
}

function lastComponent(name: string): string {
  const { repository } = splitTag(name.replace(/@.*$/s, ""));
  return repository.slice(repository.lastIndexOf("/") + 1).toLowerCase();
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  if (b.length > MAX_COMPARED_LENGTH) return b.length;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
