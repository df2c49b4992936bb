import kafkajs, { type AclEntry, type AclOperationTypes, type AclResourceTypes } from 'kafkajs'
import { type ServiceName, serviceNames, type TopicTable } from '../topics.ts'

/** What each service may do: append to its own topics, read those meant for it, form groups of its own name. */
export function kafkaAcls(topics: TopicTable, principal: (service: ServiceName) => string): AclEntry[] {
  const { TOPIC, GROUP, TRANSACTIONAL_ID } = kafkajs.AclResourceTypes
  const { READ, WRITE, DESCRIBE } = kafkajs.AclOperationTypes
  const { PREFIXED, LITERAL } = kafkajs.ResourcePatternTypes
  const acls: AclEntry[] = []
  const allow = (
    service: ServiceName,
    resourceType: AclResourceTypes,
    resourceName: string,
    prefixed: boolean,
    operations: AclOperationTypes[],
  ): void => {
    for (const operation of operations) {
      acls.push({
        resourceType,
        resourceName,
        resourcePatternType: prefixed ? PREFIXED : LITERAL,
        principal: principal(service),
        host: '*',
        operation,
        permissionType: kafkajs.AclPermissionTypes.ALLOW,
      })
    }
  }
  for (const [topic, { producers, consumers }] of Object.entries(topics)) {
    for (const service of producers) {
      allow(service, TOPIC, topic, false, [WRITE, READ, DESCRIBE])
      // The transactional ids of its partitions.
      allow(service, TRANSACTIONAL_ID, `${topic}.`, true, [WRITE, DESCRIBE])
    }
    for (const service of consumers) {
      if (!producers.includes(service)) allow(service, TOPIC, topic, false, [READ, DESCRIBE])
    }
  }
  for (const service of serviceNames) allow(service, GROUP, `${service}.`, true, [READ])
  return acls
}
