// What the network lets through. Written by hand, for tests alone: a new line here is a decision.

const lines = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
/** Who calls whom within the namespace, on which port. Allowed on both sides. */
export const expectedCalls = lines(`
  gateway > auth:7010
  gateway > user:7020
  gateway > ledger:7030
  gateway > order:7040
  gateway > matching:7050
  gateway > market-data:7060
  gateway > notification:7070
  gateway > audit:7080
  user > auth:7010
  ledger > auth:7010
  order > auth:7010
  order > ledger:7030
  matching > auth:7010
  market-data > auth:7010
  notification > auth:7010
  notification > user:7020
  audit > auth:7010
  envoy > gateway:7000
  envoy > gateway:7001
  auth > postgres:5432
  user > postgres:5432
  ledger > postgres:5432
  order > postgres:5432
  matching > postgres:5432
  market-data > postgres:5432
  notification > postgres:5432
  audit > postgres:5432
  migrate > postgres:5432
  postgres > postgres:5432
  postgres > postgres:8000
  auth > kafka:9093
  user > kafka:9093
  ledger > kafka:9093
  order > kafka:9093
  matching > kafka:9093
  market-data > kafka:9093
  notification > kafka:9093
  audit > kafka:9093
  kafka-admin > kafka:9093
  kafka > kafka:9090
  kafka > kafka:9091
`)
/** Who comes in from other namespaces. */
export const expectedIn = lines(`
  cnpg-system/cloudnative-pg > postgres:8000
  strimzi/cluster-operator > kafka:9090
  strimzi/cluster-operator > kafka:9091
  strimzi/cluster-operator > kafka:8443
  monitoring/prometheus > gateway:9000
  monitoring/prometheus > auth:9010
  monitoring/prometheus > user:9020
  monitoring/prometheus > ledger:9030
  monitoring/prometheus > order:9040
  monitoring/prometheus > matching:9050
  monitoring/prometheus > market-data:9060
  monitoring/prometheus > notification:9070
  monitoring/prometheus > audit:9080
  monitoring/prometheus > envoy:9190
  monitoring/prometheus > kafka:9404
  monitoring/prometheus > postgres:9187
`)
/** Who goes out to other namespaces and the world. */
export const expectedOut = lines(`
  * > kube-system/kube-dns:53
  * > kube-system/kube-dns:53/UDP
  notification > 0.0.0.0/0 but private:443
  gateway > monitoring/collector:4318
  auth > monitoring/collector:4318
  user > monitoring/collector:4318
  ledger > monitoring/collector:4318
  order > monitoring/collector:4318
  matching > monitoring/collector:4318
  market-data > monitoring/collector:4318
  notification > monitoring/collector:4318
  audit > monitoring/collector:4318
`)
/** What only one overlay has. */
export const expectedOf = {
  k3s: {
    in: lines(`
      0.0.0.0/0 > envoy:8443
      0.0.0.0/0 > envoy:8480
      ::/0 > envoy:8443
      ::/0 > envoy:8480
    `),
    // The API server and the object store at the second site, of site.env.
    out: lines(`
      postgres > 10.20.0.0/24:443
      postgres > 10.20.0.0/24:6443
      postgres > 10.30.0.10/32:443
    `),
  },
  gke: {
    // Google's front ends.
    in: lines(`
      35.191.0.0/16 > envoy:8443
      35.191.0.0/16 > envoy:9190
      130.211.0.0/22 > envoy:8443
      130.211.0.0/22 > envoy:9190
    `),
    // The control plane, the restricted addresses of Google's interfaces, the metadata server, the cache of names.
    out: lines(`
      postgres > 172.16.0.0/28:443
      postgres > 172.16.0.0/28:6443
      postgres > 199.36.153.8/30:443
      postgres > 169.254.169.254/32:80
      postgres > 169.254.169.254/32:988
      postgres > 169.254.169.252/32:80
      postgres > 169.254.169.252/32:988
      * > kube-system/node-local-dns:53
      * > kube-system/node-local-dns:53/UDP
      * > 169.254.20.10/32:53
      * > 169.254.20.10/32:53/UDP
    `),
  },
}
