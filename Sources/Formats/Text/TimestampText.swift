/// Times as text: Int64 milliseconds since 1970 ↔ `2026-01-02T03:04:05.678Z` (RFC 3339, proleptic Gregorian calendar).
///
/// Years 0001 to 9999, in UTC. The calendar arithmetic is Howard Hinnant's ("chrono-Compatible Low-Level Date Algorithms").
public enum TimestampText {
  /// 0001-01-01T00:00:00.000Z … 9999-12-31T23:59:59.999Z.
  public static let range: ClosedRange<Int64> = -62_135_596_800_000...253_402_300_799_999

  /// The text of 24 characters, or nil outside of ``range``.
  public static func string(_ milliseconds: Int64) -> String? {
    var bytes: [UInt8] = []
    return append(milliseconds, to: &bytes) ? String(decoding: bytes, as: UTF8.self) : nil
  }

  /// Appends the text of 24 characters; outside of ``range`` it appends nothing and returns false.
  public static func append(_ milliseconds: Int64, to bytes: inout [UInt8]) -> Bool {
    guard range.contains(milliseconds) else { return false }
    let days = floorDivide(milliseconds, millisecondsPerDay)
    let time = milliseconds - days * millisecondsPerDay
    let (year, month, day) = civil(days: days)
    appendDigits(year, 4, to: &bytes)
    bytes.append(UInt8(ascii: "-"))
    appendDigits(month, 2, to: &bytes)
    bytes.append(UInt8(ascii: "-"))
    appendDigits(day, 2, to: &bytes)
    bytes.append(UInt8(ascii: "T"))
    appendDigits(time / 3_600_000, 2, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    appendDigits(time / 60_000 % 60, 2, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    appendDigits(time / 1_000 % 60, 2, to: &bytes)
    bytes.append(UInt8(ascii: "."))
    appendDigits(time % 1_000, 3, to: &bytes)
    bytes.append(UInt8(ascii: "Z"))
    return true
  }

  /// The milliseconds that `text` means, or nil when it is none of the accepted forms or lies outside of ``range``.
  ///
  /// Accepted are `2026-01-02T03:04:05` with no or 1–9 decimals (those past the third are dropped, so the result is the floor) and `Z` or
  /// an offset `±hh:mm` or `±hhmm`; `t`, `z` and a space for `T`; and a date alone, which is its midnight in UTC. Second 60, a leap second,
  /// is the first second of the next minute.
  public static func milliseconds(_ text: String) -> Int64? {
    var text = text
    return text.withUTF8 { unsafe milliseconds(UnsafeRawBufferPointer($0).bytes) }
  }

  /// As ``milliseconds(_:)-(String)``, over UTF-8.
  public static func milliseconds(_ text: RawSpan) -> Int64? {
    var cursor = Cursor(position: 0)
    guard let result = cursor.timestamp(text), cursor.position == text.byteCount, range.contains(result) else { return nil }
    return result
  }

  /// What is wrong with a text that is no time.
  public static func fault(_ text: String) -> String {
    if milliseconds(text + "Z") != nil { return "the time has no zone: add Z or +hh:mm" }
    return "not a time such as 2026-01-02T03:04:05.678Z, in the years 1 to 9999"
  }

  /// The milliseconds that a number means: seconds since 1970 below 10¹¹, which is the year 5138, milliseconds otherwise. Nil outside of
  /// ``range``.
  public static func milliseconds(number: Double) -> (milliseconds: Int64, areSeconds: Bool)? {
    let areSeconds = abs(number) < 1e11
    let value = (areSeconds ? number * 1000 : number).rounded()
    guard let milliseconds = Int64(exactly: value), range.contains(milliseconds) else { return nil }
    return (milliseconds, areSeconds)
  }

  // MARK: Calendar

  static let millisecondsPerDay: Int64 = 86_400_000

  /// Days since 1970-01-01 of a valid date.
  static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = floorDivide(shifted, 400)
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = floorDivide(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }

  static func daysInMonth(year: Int64, month: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  private static func floorDivide(_ dividend: Int64, _ divisor: Int64) -> Int64 {
    let quotient = dividend / divisor
    return dividend % divisor < 0 ? quotient - 1 : quotient
  }

  private static func appendDigits(_ value: Int64, _ count: Int, to bytes: inout [UInt8]) {
    var divisor: Int64 = 1
    for _ in 1..<count { divisor *= 10 }
    while divisor > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
      divisor /= 10
    }
  }
}

/// Walks over the text; each method returns nil, at an unspecified position, when the text has something else there.
private struct Cursor {
  var position: Int

  mutating func timestamp(_ text: RawSpan) -> Int64? {
    guard let year = digits(text, 4), take(text, "-") != nil, let month = digits(text, 2), take(text, "-") != nil,
      let day = digits(text, 2), year >= 1, (1...12).contains(month),
      (1...TimestampText.daysInMonth(year: year, month: month)).contains(day)
    else { return nil }
    let midnight = TimestampText.days(year: year, month: month, day: day) * TimestampText.millisecondsPerDay
    if position == text.byteCount { return midnight }

    guard take(text, "Tt ") != nil, let hour = digits(text, 2), take(text, ":") != nil, let minute = digits(text, 2),
      take(text, ":") != nil, let second = digits(text, 2), hour < 24, minute < 60, second <= 60, let fraction = fraction(text),
      let offset = offset(text)
    else { return nil }
    return midnight + hour * 3_600_000 + minute * 60_000 + second * 1_000 + fraction - offset
  }

  /// Milliseconds of `.d` to `.ddddddddd`; 0 when there is no point.
  private mutating func fraction(_ text: RawSpan) -> Int64? {
    guard take(text, ".") != nil else { return 0 }
    let first = position
    var value: Int64 = 0
    while let digit = digits(text, 1) {
      if position - first <= 3 { value = value * 10 + digit }
    }
    switch position - first {
    case 1: return value * 100
    case 2: return value * 10
    case 3...9: return value
    default: return nil
    }
  }

  /// Milliseconds east of UTC.
  private mutating func offset(_ text: RawSpan) -> Int64? {
    if take(text, "Zz") != nil { return 0 }
    guard let sign = take(text, "+-"), let hours = digits(text, 2), take(text, ":") != nil || position < text.byteCount,
      let minutes = digits(text, 2), hours < 24, minutes < 60
    else { return nil }
    let magnitude = hours * 3_600_000 + minutes * 60_000
    return sign == UInt8(ascii: "-") ? -magnitude : magnitude
  }

  private func byte(_ text: RawSpan) -> UInt8? {
    // In bounds: compared just before.
    position < text.byteCount ? unsafe text.unsafeLoad(fromByteOffset: position, as: UInt8.self) : nil
  }

  /// Takes one character of `choices`, or leaves the position.
  private mutating func take(_ text: RawSpan, _ choices: StaticString) -> UInt8? {
    guard let next = byte(text) else { return nil }
    // The closure gets the literal's own storage, which lives for ever.
    guard choices.withUTF8Buffer({ unsafe $0.contains(next) }) else { return nil }
    position += 1
    return next
  }

  /// Takes exactly `count` digits; a first one that is missing leaves the position.
  private mutating func digits(_ text: RawSpan, _ count: Int) -> Int64? {
    var value: Int64 = 0
    for _ in 0..<count {
      guard let digit = byte(text), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + Int64(digit - UInt8(ascii: "0"))
      position += 1
    }
    return value
  }
}
