/** The same values, each of the next asked for while the one before is in use; an error comes in its place. */
export async function* ahead<T>(values: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  const iterator = values[Symbol.asyncIterator]();
  const next = (): Promise<IteratorResult<T>> => {
    const result = iterator.next();
    result.catch(() => undefined); // awaited below, but perhaps later than it fails
    return result;
  };
  try {
    for (let coming = next(); ; ) {
      const { done, value } = await coming;
      if (done) return;
      coming = next();
      yield value;
    }
  } finally {
    await iterator.return?.();
  }
}
