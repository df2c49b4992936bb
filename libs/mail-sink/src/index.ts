export { type MailSink, type MailSinkOptions, type RecordedMail, startMailSink } from './sink.ts'
