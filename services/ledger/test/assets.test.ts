import { newId } from '@bitka/kernel'
import { AssetSchema, AssetType } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { toJson } from '@bufbuild/protobuf'
import { Harness, refusal } from './harness.ts'

describe('assets', () => {
  let h: Harness
  beforeAll(async () => {
    h = await Harness.open()
  })
  afterAll(() => h.close())

  const gold = { symbol: 'XAU', name: 'Gold', type: AssetType.CRYPTO, decimals: 3, iconUrl: '/icons/xau.svg' }

  it('are made by operators, once, and seen by everybody', async () => {
    const { asset } = await h.ledger.createAsset(gold, h.operator.as)
    expect(toJson(AssetSchema, asset!)).toEqual({
      symbol: 'XAU',
      name: 'Gold',
      type: 'ASSET_TYPE_CRYPTO',
      decimals: 3,
      iconUrl: '/icons/xau.svg',
      isActive: true,
      createdAt: expect.any(String),
    })
    expect((await h.ledger.getAsset({ symbol: 'XAU' })).asset).toEqual(asset)
    expect((await h.ledger.listAssets({})).assets.map(({ symbol }) => symbol)).toEqual(['BTC', 'THB', 'XAU'])
    expect(await refusal(h.ledger.createAsset(gold, h.operator.as))).toMatchObject({ kind: 'conflict' })
    for (const who of [h.treasury, await h.person('alice')]) {
      expect(await refusal(h.ledger.createAsset({ ...gold, symbol: 'XAG' }, who.as))).toMatchObject({
        kind: 'forbidden',
      })
    }
    const system = await h.db.query<{ owner_id: string }>(
      `select owner_id from accounts where asset = 'XAU' order by 1`,
    )
    expect(system.rows.map((row) => row.owner_id)).toEqual([
      'custody_pending',
      'external',
      'fees',
      'rebates',
      'rounding',
    ])
  })

  it('are made once a key', async () => {
    const keyed = (key: string) => ({ ...h.operator.as, edge: { idempotencyKey: key } })
    const key = newId()
    const silver = { ...gold, symbol: 'XAG', name: 'Silver' }
    const first = await h.ledger.createAsset(silver, keyed(key))
    expect(await h.ledger.createAsset(silver, keyed(key))).toEqual(first)
    expect(await refusal(h.ledger.createAsset({ ...silver, decimals: 4 }, keyed(key)))).toMatchObject({
      kind: 'conflict',
    })
  })

  it('are refused field by field', async () => {
    const bad: [object, string][] = [
      [{ symbol: 'x' }, 'symbol'],
      [{ symbol: 'TOOLONGSYMBOL' }, 'symbol'],
      [{ name: '' }, 'name'],
      [{ name: 'x'.repeat(65) }, 'name'],
      [{ type: AssetType.UNSPECIFIED }, 'type'],
      [{ decimals: undefined }, 'decimals'],
      [{ decimals: 19 }, 'decimals'],
      [{ decimals: -1 }, 'decimals'],
      [{ iconUrl: 'javascript:alert(1)' }, 'icon_url'],
      [{ iconUrl: '//elsewhere.example/x.png' }, 'icon_url'],
    ]
    for (const [change, field] of bad) {
      const { kind, details } = await refusal(
        h.ledger.createAsset({ ...gold, symbol: 'XPT', ...change }, h.operator.as),
      )
      expect([change, kind, Object.keys(details)]).toEqual([change, 'invalid', [field]])
    }
  })

  it('are refused with every field at fault', async () => {
    const refused = async (call: Promise<unknown>) => {
      const { kind, details } = await refusal(call)
      return [kind, ...Object.keys(details).sort()]
    }
    expect(await refused(h.ledger.createAsset({}, h.operator.as))).toEqual([
      'invalid',
      'decimals',
      'name',
      'symbol',
      'type',
    ])
    const bad = { symbol: 'THB', name: '', decimals: 19, iconUrl: 'x' }
    expect(await refused(h.ledger.updateAsset(bad, h.operator.as))).toEqual(['invalid', 'decimals', 'icon_url', 'name'])
  })

  it('keep their decimals once they have been used', async () => {
    const update = (change: object) => h.ledger.updateAsset({ symbol: 'THB', ...change }, h.operator.as)
    expect((await update({ decimals: 3 })).asset?.decimals).toBe(3)
    await update({ decimals: 2 })
    const alice = await h.person('alice2')
    await h.credit(alice, 'THB', '1')
    expect(await refusal(update({ decimals: 3 }))).toMatchObject({ kind: 'conflict' })
    const { asset } = await update({
      decimals: 2,
      name: 'Baht',
      type: AssetType.FIAT,
      isActive: false,
      iconUrl: 'https://example.com/b.svg',
    })
    expect(asset).toMatchObject({
      name: 'Baht',
      type: AssetType.FIAT,
      isActive: false,
      iconUrl: 'https://example.com/b.svg',
    })
    expect((await h.ledger.listAssets({ activeOnly: true })).assets.map(({ symbol }) => symbol)).not.toContain('THB')
    expect((await h.posting.batchGetAssets({ symbols: ['THB', 'NONE'] })).assets).toEqual([asset])
    expect(await refusal(h.ledger.updateAsset({ symbol: 'NONE' }, h.operator.as))).toMatchObject({ kind: 'not_found' })
    expect(await refusal(h.ledger.getAsset({ symbol: 'NONE' }))).toMatchObject({ kind: 'not_found' })
    await update({ isActive: true })
  })
})
