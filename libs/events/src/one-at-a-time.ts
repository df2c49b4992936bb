/** Makes a queue: what is given to it runs one after another, since one database connection takes one query at a time. */
export function oneAtATime(): <T>(run: () => Promise<T>) => Promise<T> {
  let tail: Promise<unknown> = Promise.resolve()
  return (run) => {
    const result = tail.then(run)
    tail = result.catch(() => undefined)
    return result
  }
}
