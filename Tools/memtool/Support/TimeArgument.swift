import ArgumentParser
import Formats
import Foundation

/// A time on the command line: an instant, or one relative to now.
struct TimeArgument {
  /// The side of now on which an amount alone lies, such as `7d`.
  enum Side {
    case past, future
  }

  /// Since 1970.
  let milliseconds: Int64

  var date: Date { Date(timeIntervalSince1970: Double(milliseconds) / 1000) }

  /// For options that look back: `7d` is seven days ago.
  static func past(_ argument: String) throws -> TimeArgument { try TimeArgument(parsing: argument, .past) }

  /// For options that look ahead: `7d` is in seven days.
  static func future(_ argument: String) throws -> TimeArgument { try TimeArgument(parsing: argument, .future) }

  /// What a time looks like, for the help of commands.
  static let help = """
    A time is a date (2026-01-02, midnight in UTC), a date and a time with a zone (2026-01-02T03:04:05Z), now, today, yesterday, \
    tomorrow (midnights in UTC), or an amount of seconds, minutes, hours, days, weeks or years: 90s, 15m, 2h, 7d, 4w, 1y. '2h ago' is \
    in the past and 'in 2h' in the future. 2h alone is in the future for --expires-at and --valid-until, and in the past otherwise.
    """

  /// - Parameters:
  ///   - side: Where an amount alone lies.
  ///   - now: Milliseconds since 1970.
  /// - Throws: ``ValidationError`` that says what is valid.
  init(parsing argument: String, _ side: Side, now: Int64 = Int64(Date().timeIntervalSince1970 * 1000)) throws {
    if let milliseconds = TimestampText.milliseconds(argument) ?? Self.relative(argument, side, now) {
      self.milliseconds = milliseconds
    } else if argument.wholeMatch(of: /\d{4}-\d.*/) != nil {
      throw ValidationError(TimestampText.fault(argument))
    } else {
      throw ValidationError(
        "not a time: give a date (2026-01-02), a time with its zone (2026-01-02T03:04:05Z), now, today, yesterday, tomorrow, or an amount "
          + "such as 90s, 15m, 2h, 7d, 4w or 1y, also as '2h ago' or 'in 2h'")
    }
  }

  private static let day: Int64 = 86_400_000

  private static let units: [String: Int64] = {
    var units: [String: Int64] = [:]
    for (names, milliseconds) in [
      ("s sec secs second seconds", 1_000), ("m min mins minute minutes", 60_000), ("h hr hrs hour hours", 3_600_000),
      ("d day days", day), ("w week weeks", 7 * day), ("y year years", 365 * day),
    ] {
      for name in names.split(separator: " ") { units[String(name)] = milliseconds }
    }
    return units
  }()

  /// Nil if the text is neither a word nor an amount, or the time is outside of ``TimestampText/range``.
  private static func relative(_ argument: String, _ side: Side, _ now: Int64) -> Int64? {
    let midnight = now - (now % day + day) % day
    switch argument.lowercased() {
    case "now": return now
    case "today": return midnight
    case "yesterday": return midnight - day
    case "tomorrow": return midnight + day
    default: break
    }
    guard let match = argument.lowercased().wholeMatch(of: /(in +)?([0-9]{1,18}) *([a-z]+)( +ago)?/) else { return nil }
    let (isAhead, isAgo) = (match.1 != nil, match.4 != nil)
    guard !(isAhead && isAgo), let number = Int64(match.2), let unit = units[String(match.3)] else { return nil }
    let (amount, overflows) = number.multipliedReportingOverflow(by: unit)
    let isPast = isAgo || (!isAhead && side == .past)
    guard !overflows, amount <= TimestampText.range.upperBound - TimestampText.range.lowerBound else { return nil }
    let time = isPast ? now - amount : now + amount
    return TimestampText.range.contains(time) ? time : nil
  }
}
