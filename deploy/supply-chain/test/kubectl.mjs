#!/usr/bin/env node
// Stands in for kubectl: writes down every call and what it was given, and behaves as scenario.json in FAKE_KUBECTL says.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = process.env.FAKE_KUBECTL
const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
const scenario = read('scenario.json')
const cluster = read('cluster.json')
const [context, ...args] = process.argv.slice(3).filter((arg, at, all) => arg !== '-n' && all[at - 1] !== '-n')
const [verb, ...rest] = args
const input = rest.includes('-') ? readFileSync(0, 'utf8') : ''
const objects = input
  .split('\n---\n')
  .filter(Boolean)
  .map((text) => JSON.parse(text))
const nameOf = ({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`
const shown = objects.length > 0 ? ` < ${objects.map(nameOf).join(' ')}` : ''
const save = () => writeFileSync(join(folder, 'cluster.json'), JSON.stringify(cluster))
appendFileSync(join(folder, 'calls'), `${context}: ${args.join(' ')}${shown}\n`)

const verbs = {
  kustomize: () => process.stdout.write(readFileSync(join(folder, 'overlay.yaml'), 'utf8')),
  diff: () => {
    console.log('- image: old\n+ image: new')
    return 1
  },
  get: () => {
    if (rest[0] === 'namespace') return console.log(scenario.installed ? 'namespace/bitka' : '')
    if (rest[0] === 'pod') return console.log(JSON.stringify({ items: scenario.pods ?? [] }))
    process.stdout.write(cluster[rest[0]] ?? '')
  },
  apply: () => {
    for (const object of objects)
      if (['Deployment', 'StatefulSet'].includes(object.kind)) cluster[nameOf(object)] = 'new'
    save()
  },
  wait: () => {
    const [name, condition] = rest
    const wanted = scenario.jobs?.[name] === 'failed' ? 'failed' : 'complete'
    // The other condition never comes.
    if (name.startsWith('job/') && condition !== `--for=condition=${wanted}`) setTimeout(() => {}, 3_600_000)
  },
  rollout: () => {
    const [what, name] = rest
    if (what === 'undo') cluster[name] = 'old'
    save()
    return what === 'status' && cluster[name] === 'new' && scenario.broken?.includes(name) ? 1 : 0
  },
  delete: () => 0,
  logs: () => console.log('what the job said'),
}
const code = verbs[verb]()
process.exitCode = typeof code === 'number' ? code : 0
