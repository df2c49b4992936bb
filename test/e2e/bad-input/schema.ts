import type { Json } from './raw.ts'

type Schema = { [key: string]: Json }

/** Where an answer differs from what openapi.json says of it: the few words of JSON Schema that the document uses. */
export function differences(document: Schema, schema: Schema, value: Json, path = 'data'): string[] {
  if (schema.$ref) {
    const name = String(schema.$ref).split('/').at(-1) ?? ''
    return differences(document, document.components.schemas[name], value, path)
  }
  if (schema.anyOf) {
    const all = schema.anyOf.map((one: Schema) => differences(document, one, value, path))
    return all.find((found: string[]) => found.length === 0) ?? all[0]
  }
  if ('const' in schema) return value === schema.const ? [] : [`${path} is not ${schema.const}`]
  const types: string[] = [schema.type].flat()
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
  const fits = types.includes(type) || (types.includes('integer') && Number.isSafeInteger(value))
  if (!fits) return [`${path} is ${type}, not ${types}`]
  if (schema.enum && value !== null && !schema.enum.includes(value))
    return [`${path} is ${value}, no word of ${schema.enum}`]
  if (type === 'array') {
    return value.flatMap((item: Json, index: number) => differences(document, schema.items, item, `${path}[${index}]`))
  }
  return type === 'object' && schema.properties ? objectDifferences(document, schema, value, path) : []
}

function objectDifferences(document: Schema, schema: Schema, value: Schema, path: string): string[] {
  const missing = (schema.required ?? []).filter((name: string) => !(name in value))
  return [
    ...missing.map((name: string) => `${path}.${name} is missing`),
    ...Object.entries(value).flatMap(([name, item]) => {
      const property = schema.properties[name]
      return property
        ? differences(document, property, item, `${path}.${name}`)
        : [`${path}.${name} is not in the document`]
    }),
  ]
}
