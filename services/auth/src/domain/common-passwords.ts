/**
 * Very common passwords of at least 12 characters, in lower case: the well-known lists of leaked passwords, cut to what
 * the length rule lets through. Sequences and repetitions are found by rule, see password.ts.
 */
export const commonPasswords: ReadonlySet<string> = new Set(
  `
  password1234 password12345 password123456 password123! password1234! passwordpassword password@123 password2024
  password2025 password2026 passw0rd1234 p@ssw0rd1234 p@ssword1234 p@ssw0rd123! pa55word1234 mypassword12 mypassword123
  mypassword1234 thisispassword thisismypassword changeme1234 changemenow! changeme12345 letmein12345 letmeinplease
  letmein123456 welcome12345 welcome123456 welcome2024! welcome2025! welcome2026! iloveyou1234 iloveyou12345
  iloveyousomuch iloveyouforever administrator administrator1 admin1234567 admin12345678 adminadminadmin administrator123
  rootrootroot superman1234 batman123456 football1234 baseball1234 basketball12 basketball123 sunshine1234 princess1234
  princess12345 dragon123456 monkey123456 master123456 shadow123456 michael12345 jordan123456 liverpool123
  liverpool1234 manchester123 chelsea12345 arsenal12345 barcelona123 realmadrid123 1q2w3e4r5t6y 1q2w3e4r5t6y7u
  1qaz2wsx3edc 1qaz2wsx3edc4rfv zaq12wsxcde3 q1w2e3r4t5y6 qwerty123456 qwerty1234567 qwerty12345678 qwertyqwerty
  qwertyuiop12 qwertyuiop123 qwertyuiop1234 asdfghjkl123 asdfasdfasdf zxcvbnm12345 zxcvbnm123456 abcd12345678
  abc123456789 abcdef123456 a1b2c3d4e5f6 aa1234567890 a12345678910 123456789abc 1234567890qwerty 123456qwerty
  123qweasdzxc qazwsxedcrfv qweasdzxc123 987654321abc trustno1trustno1 whatever1234 computer1234 internet1234
  samsung12345 google123456 facebook1234 bitcoin12345 bitcoin123456 ethereum1234 cryptocurrency tothemoon1234
  satoshinakamoto hodlhodlhodl bitka1234567 bitkabitka12 bitkapassword thailand1234 bangkok12345
  `
    .split(/\s+/)
    .filter((word) => word !== ''),
)
