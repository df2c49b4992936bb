import { stringify } from 'yaml'
import { type AlertCase, alertCases, healthy } from './alert-cases.ts'
import type { Alert } from './rules.ts'

/** What is asked after each time: every alert that fires, but for the one that always does. */
const FIRING = 'count by (alertname) (ALERTS{alertstate="firing",alertname!="Watchdog"})'

/** The cases as a file for `promtool test rules`. `rulesFile`: an absolute path. */
export const promtoolTests = (rulesFile: string): string =>
  stringify({
    rule_files: [rulesFile],
    evaluation_interval: '1m',
    tests: alertCases.map((one) => ({
      name: one.name,
      interval: '1m',
      input_series: seriesOf(one).map(([series, values]) => ({ series, values })),
      promql_expr_test: Object.entries(one.fires).map(([time, alerts]) => ({
        expr: FIRING,
        eval_time: time,
        exp_samples: Object.entries(alerts).map(([name, value]) => ({ labels: `{alertname="${name}"}`, value })),
      })),
    })),
  })

const seriesOf = ({ changed = {}, missing = [] }: AlertCase): [string, string][] =>
  Object.entries({ ...healthy, ...changed }).filter(([series]) => !missing.includes(series))

/** Alerts that no case makes fire, and cases of alerts that are not there. */
export function untested(alerts: readonly Alert[]): string[] {
  const fired = new Set(alertCases.flatMap(({ fires }) => Object.values(fires).flatMap((names) => Object.keys(names))))
  const known = new Set(alerts.map(({ alert }) => alert))
  return [
    ...alerts
      .filter(({ alert }) => alert !== 'Watchdog' && !fired.has(alert))
      .map(({ alert }) => `no case makes ${alert} fire`),
    ...[...fired].filter((alert) => !known.has(alert)).map((alert) => `a case names ${alert}, which is no alert`),
  ]
}
