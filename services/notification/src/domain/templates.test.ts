import { renderMail, templateNames } from './templates.ts'

const params = {
  time: '2026-11-22',
  side: 'buy',
  quantity: '1',
  symbol: 'BTC-THB',
  price: '2',
  amount: '5',
  asset: 'THB',
}

test.each(templateNames.flatMap((name) => (['en', 'th'] as const).map((locale) => [name, locale] as const)))(
  '%s in %s has words in text and HTML, a greeting and no link',
  (name, locale) => {
    const mail = renderMail(name, { name: 'Ann', locale }, params)
    expect(mail.subject).not.toBe('')
    expect(mail.text).toContain('Ann')
    expect(mail.html).toContain(`lang="${locale}"`)
    expect(`${mail.text}${mail.html}`).not.toMatch(/https?:|href|undefined/)
  },
)

test('a hostile name can neither add markup nor a header', () => {
  const name = '<img src=x onerror=alert(1)>\r\nBcc: all@example.com'
  const mail = renderMail('welcome', { name, locale: 'en' }, {})
  expect(mail.html).not.toContain('<img')
  expect(mail.text.split('\n')[0]).toBe('Hello <img src=x onerror=alert(1)> Bcc: all@example.com,')
  expect(renderMail('order_filled', { name, locale: 'en' }, { ...params, symbol: 'A\r\nBcc: x' }).subject).not.toMatch(
    /[\r\n]/,
  )
})
