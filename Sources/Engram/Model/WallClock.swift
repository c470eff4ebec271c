import Foundation

/// Wall-clock time as the store keeps it: Int64 milliseconds since 1970.
enum WallClock {
  /// Rounded down, so that nothing expires before its time.
  static func now() -> Int64 { Int64((Date().timeIntervalSince1970 * 1000).rounded(.down)) }

  /// The times that a record may carry: the years 1 to 9999, so that each has an ISO 8601 text.
  static let range: ClosedRange<Int64> = -62_135_596_800_000...253_402_300_799_999
}

extension Date {
  /// The nearest whole millisecond, clamped to what Int64 holds.
  var milliseconds: Int64 {
    let value = (timeIntervalSince1970 * 1000).rounded(.toNearestOrAwayFromZero)
    // To the nearest, not down: 1.001 s is 1000.9999… ms in binary and must read back as 1001.
    return Int64(exactly: value) ?? (value > 0 ? .max : .min)
  }

  init(milliseconds: Int64) {
    self.init(timeIntervalSince1970: Double(milliseconds) / 1000)
  }

  /// The date rounded to what a record keeps, so that a value equals itself after a round trip.
  var roundedToMilliseconds: Date { Date(milliseconds: milliseconds) }
}
