import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'

const ruleFile = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string(),
          expr: z.string(),
          for: z.string().optional(),
          labels: z.strictObject({ severity: z.enum(['page', 'ticket', 'none']) }),
          annotations: z.strictObject({ summary: z.string().min(1), runbook_url: z.string() }),
        }),
      ),
    }),
  ),
})

/** An alert, with what it says to whoever is woken. */
export type Alert = z.infer<typeof ruleFile>['groups'][number]['rules'][number]

export const readAlerts = (folder: string): Alert[] =>
  ruleFile.parse(parse(readFileSync(join(folder, 'alerts.yaml'), 'utf8'))).groups.flatMap(({ rules }) => rules)
