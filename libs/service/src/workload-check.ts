import { parseSpiffeId } from '@bitka/mesh'

/** Checks a TLS server's certificate: it must have the SPIFFE ID of one workload, and no other. */
export const workloadCheck =
  (trustDomain: string, workload: string) =>
  (_host: string, { subjectaltname = '' }: { subjectaltname?: string }): Error | undefined => {
    const uris = subjectaltname.split(', ').filter((name) => name.startsWith('URI:'))
    const id = uris.length === 1 ? parseSpiffeId(uris[0]?.slice('URI:'.length) ?? '') : undefined
    const isMeant = id?.trustDomain === trustDomain && id.path === `/ns/bitka/sa/${workload}`
    return isMeant ? undefined : new Error(`the server has not the SPIFFE ID of ${workload}`)
  }
