import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { repositoryFolder } from '@bitka/service'

/** The page, without a single inline script or style, so that its policy needs no exception. */
const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>BitKa API</title>
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`

const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null })
`

export type Asset = { type: string; body: string | Uint8Array }

/** Files of the swagger-ui-dist package that the page loads. */
const files: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
}

const ours = new Map<string, Asset>([
  ['/docs', { type: 'text/html; charset=utf-8', body: PAGE }],
  ['/docs/', { type: 'text/html; charset=utf-8', body: PAGE }],
  ['/docs/start.js', { type: 'text/javascript; charset=utf-8', body: START }],
])

/** How to read what is at a path of the page; undefined where nothing is. */
export function docsAsset(path: string): (() => Promise<Asset>) | undefined {
  const own = ours.get(path)
  if (own) return async () => own
  const name = path.slice('/docs/'.length)
  const type = path.startsWith('/docs/') && Object.hasOwn(files, name) ? files[name] : undefined
  if (type === undefined) return undefined
  return async () => ({ type, body: await readFile(join(repositoryFolder('node_modules/swagger-ui-dist'), name)) })
}
