import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Metric, readCatalogue } from './catalogue.ts'

export { ADDED_LABELS, type Metric } from './catalogue.ts'

/** Every metric that README.md describes. */
export const metrics = (): Metric[] => readCatalogue(dirname(fileURLToPath(import.meta.url)))
