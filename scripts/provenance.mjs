// How the images of a release were made, as an in-toto statement with SLSA's provenance predicate.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What decides the bytes of what is downloaded. */
const lockfiles = [
  'package-lock.json',
  'deploy/kafka/jars.sha256',
  'deploy/envoy/requirements.txt',
  'deploy/supply-chain/tools/go.sum',
]

/**
 * @param images name, and digest of the image in the registry, or none in a dry run, and of the folder that was packed
 * @param bases the entries of images.json that were built from
 */
export function provenance({ root, version, registry, commit, repository, images, bases, startedAt, finishedAt }) {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: images.map(({ name, digest, folder }) => ({
      name: `${registry}/${name}`,
      digest: digest ? { sha256: digest.replace('sha256:', '') } : { folderSha256: folder },
    })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'https://bitka.example/build/make-release/v1',
        externalParameters: { version, repository, ref: commit },
        internalParameters: { folders: Object.fromEntries(images.map(({ name, folder }) => [name, folder])) },
        resolvedDependencies: [
          { uri: `git+${repository}@${commit}`, digest: { gitCommit: commit } },
          ...bases.map(({ image, tag, digest }) => ({
            uri: `docker://${image}:${tag}`,
            ...(digest && { digest: { sha256: digest.replace('sha256:', '') } }),
          })),
          ...lockfiles
            .filter((file) => existsSync(join(root, file)))
            .map((file) => ({ uri: file, digest: { sha256: sha256(readFileSync(join(root, file))) } })),
        ],
      },
      runDetails: {
        builder: { id: 'https://bitka.example/builder/make-release', version: { node: process.version } },
        metadata: { invocationId: `${commit}/${version}`, startedOn: startedAt, finishedOn: finishedAt },
      },
    },
  }
}

export function sha256(content) {
  return createHash('sha256').update(content).digest('hex')
}
