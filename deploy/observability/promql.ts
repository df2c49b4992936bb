/** What a PromQL expression reads: one metric, with the labels that are asked of it. */
export type Selector = { metric: string; labels: string[] }

const KEYWORDS = new Set('and or unless on ignoring group_left group_right by without bool offset start end'.split(' '))

/**
 * The selectors of an expression. Its grammar is checked by promtool; here only names are looked for: a name that is no function
 * and no word of the language, outside strings and lists of labels.
 */
export function selectorsOf(expression: string): Selector[] {
  const bare = expression
    .replace(/#.*$/gm, '')
    .replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '""')
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
    .replace(/\[[^\]]*\]/g, '')
  const names = bare.matchAll(/(?<![\w:.$])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\()?/g)
  return [...names].flatMap(([, metric = '', rest = '']) => {
    if (rest === '(' || KEYWORDS.has(metric) || /^(?:inf|nan|\d.*)$/i.test(metric)) return []
    return [{ metric, labels: [...rest.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label) }]
  })
}

/** The labels that an expression groups or joins by. */
export function groupingLabelsOf(expression: string): string[] {
  const lists = expression.matchAll(/\b(?:by|on|group_left|group_right)\s*\(([^)]*)\)/g)
  return [...lists].flatMap(([, list = '']) => list.split(',').map((label) => label.trim())).filter(Boolean)
}
