import type { ProfileSchema } from '@bitka/proto/bitka/user/v1/user_pb'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { Profile } from '../domain/profile.ts'

export const encodeProfile = (profile: Profile): MessageInitShape<typeof ProfileSchema> => ({
  id: profile.userId,
  username: profile.username,
  email: profile.email,
  fullName: profile.fullName ?? undefined,
  avatarUrl: profile.avatarUrl ?? undefined,
  locale: profile.locale,
  kycLevel: profile.kycLevel,
  createdAt: timestampFromDate(profile.registeredAt),
  updatedAt: timestampFromDate(profile.updatedAt),
})
