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

/** What is at a path below /docs; undefined for nothing. */
export async function docsAsset(path: string): Promise<Asset | undefined> {
  if (path === '/docs' || path === '/docs/') return { type: 'text/html; charset=utf-8', body: PAGE }
  const name = path.slice('/docs/'.length)
  if (name === 'start.js') return { type: 'text/javascript; charset=utf-8', body: START }
  const type = Object.hasOwn(files, name) ? files[name] : undefined
  if (type === undefined) return undefined
  return { type, body: await readFile(join(repositoryFolder('node_modules/swagger-ui-dist'), name)) }
}
