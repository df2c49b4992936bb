import { ensureKafka, PartError } from '../native/parts.ts'

const folder = process.argv[2]
if (folder === undefined) {
  console.error('usage: image-parts FOLDER')
  process.exit(2)
}

// What the Kafka image holds, installed and checked as on a native stack; prints the folder with jars/ and plugin/.
ensureKafka(folder).then(console.log, (error: unknown) => {
  console.error(error instanceof PartError ? error.message : error)
  process.exit(1)
})
