import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { renderAll } from './render.ts'

const root = fileURLToPath(new URL('../../k8s', import.meta.url))

it('the generated files of k8s/ are those of the tables: npx tsx --conditions=@bitka/source deploy/k8s/main.ts', () => {
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => /(^|\/)generated\//.test(path))
  const wanted = renderAll()
  expect(files.sort()).toEqual([...wanted.keys()].sort())
  for (const [path, text] of wanted) expect([path, readFileSync(join(root, path), 'utf8')]).toEqual([path, text])
})
