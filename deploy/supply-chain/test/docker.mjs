#!/usr/bin/env node
// Stands in for docker: writes down every call, makes up a digest for each tag, and the metadata that a build leaves.
import { createHash } from 'node:crypto'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const args = process.argv.slice(2)
appendFileSync(join(process.env.FAKE_DOCKER, 'calls'), `${args.join(' ')}\n`)
const digestOf = (text) => `sha256:${createHash('sha256').update(text).digest('hex')}`
const after = (name) => args[args.indexOf(name) + 1]
if (args[1] === 'imagetools') console.log(JSON.stringify(digestOf(args[3])))
else if (args[1] === 'build')
  writeFileSync(after('--metadata-file'), JSON.stringify({ 'containerimage.digest': digestOf(after('--output')) }))
else console.log('0.0.0')
