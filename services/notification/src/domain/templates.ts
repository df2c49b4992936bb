/** What a mail is about. */
export const templateNames = ['welcome', 'new_device', 'password_changed', 'order_filled', 'transfer_received'] as const
export type TemplateName = (typeof templateNames)[number]
export type Locale = 'en' | 'th'
export type Mail = { subject: string; text: string; html: string }

/** Whom a mail is for. */
export type Person = { name: string; locale: Locale }

type Words = { subject: string; lines: string[] }
type Params = Readonly<Record<string, string>>

const templates: Record<TemplateName, Record<Locale, (params: Params) => Words>> = {
  welcome: {
    en: () => ({
      subject: 'Welcome to BitKa',
      lines: ['Your account is open.', 'We never ask for your password by mail, and our mails carry no sign-in link.'],
    }),
    th: () => ({
      subject: 'ยินดีต้อนรับสู่ BitKa',
      lines: ['บัญชีของคุณพร้อมใช้งานแล้ว', 'เราไม่เคยขอรหัสผ่านทางอีเมล และอีเมลของเราไม่มีลิงก์สำหรับเข้าสู่ระบบ'],
    }),
  },
  new_device: {
    en: ({ time = '' }) => ({
      subject: 'New sign-in to your BitKa account',
      lines: [`Somebody signed in from a new device on ${time}.`, 'If it was not you, change your password now.'],
    }),
    th: ({ time = '' }) => ({
      subject: 'มีการเข้าสู่ระบบ BitKa จากอุปกรณ์ใหม่',
      lines: [`มีการเข้าสู่ระบบจากอุปกรณ์ใหม่เมื่อ ${time}`, 'หากไม่ใช่คุณ โปรดเปลี่ยนรหัสผ่านทันที'],
    }),
  },
  password_changed: {
    en: ({ time = '' }) => ({
      subject: 'Your BitKa password was changed',
      lines: [
        `Your password was changed on ${time}, and every other session was ended.`,
        'If it was not you, contact us now.',
      ],
    }),
    th: ({ time = '' }) => ({
      subject: 'รหัสผ่าน BitKa ของคุณถูกเปลี่ยน',
      lines: [`รหัสผ่านของคุณถูกเปลี่ยนเมื่อ ${time} และเซสชันอื่นทั้งหมดสิ้นสุดแล้ว`, 'หากไม่ใช่คุณ โปรดติดต่อเราทันที'],
    }),
  },
  order_filled: {
    en: ({ side = '', quantity = '', symbol = '', price = '' }) => ({
      subject: `Your ${symbol} order is filled`,
      lines: [`Your order to ${side} ${quantity} on ${symbol} is filled at an average price of ${price}.`],
    }),
    th: ({ side = '', quantity = '', symbol = '', price = '' }) => ({
      subject: `คำสั่ง ${symbol} ของคุณจับคู่ครบแล้ว`,
      lines: [`คำสั่ง${side === 'buy' ? 'ซื้อ' : 'ขาย'} ${quantity} ในตลาด ${symbol} จับคู่ครบแล้วที่ราคาเฉลี่ย ${price}`],
    }),
  },
  transfer_received: {
    en: ({ amount = '', asset = '' }) => ({
      subject: `You received ${amount} ${asset}`,
      lines: [`${amount} ${asset} was transferred to your account.`],
    }),
    th: ({ amount = '', asset = '' }) => ({
      subject: `คุณได้รับ ${amount} ${asset}`,
      lines: [`มีการโอน ${amount} ${asset} เข้าบัญชีของคุณ`],
    }),
  },
}

const greetings: Record<Locale, (name: string) => string> = {
  en: (name) => `Hello ${name},`,
  th: (name) => `สวัสดีคุณ ${name}`,
}

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Text made safe inside HTML: names and parameters come from people. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => escapes[character] ?? '')

/** A header cannot hold a line break: it would begin another header. */
const oneLine = (text: string): string => text.replace(/[\r\n\t\0]+/g, ' ').trim()

/** Writes a mail in its reader's language, as text and as HTML. */
export function renderMail(template: TemplateName, person: Person, params: Params): Mail {
  const { subject, lines } = templates[template][person.locale](params)
  const greeting = greetings[person.locale](oneLine(person.name))
  const signature = 'BitKa'
  const paragraphs = [greeting, ...lines, signature]
  return {
    subject: oneLine(subject),
    text: `${paragraphs.join('\n\n')}\n`,
    html: `<!doctype html><html lang="${person.locale}"><body>${paragraphs
      .map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`)
      .join('')}</body></html>`,
  }
}
