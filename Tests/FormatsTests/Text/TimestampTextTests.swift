import Foundation
import Testing
@testable import Formats

@Suite struct TimestampTextTests {
  @Test func knownInstants() {
    #expect(TimestampText.string(0) == "1970-01-01T00:00:00.000Z")
    #expect(TimestampText.string(-1) == "1969-12-31T23:59:59.999Z")
    #expect(TimestampText.string(1_767_323_045_678) == "2026-01-02T03:04:05.678Z")
    #expect(TimestampText.milliseconds("2026-01-02T03:04:05.678Z") == 1_767_323_045_678)
    #expect(TimestampText.string(TimestampText.range.lowerBound) == "0001-01-01T00:00:00.000Z")
    #expect(TimestampText.string(TimestampText.range.upperBound) == "9999-12-31T23:59:59.999Z")
  }

  @Test func outsideOfTheYearsThereIsNoText() {
    for value in [TimestampText.range.lowerBound - 1, TimestampText.range.upperBound + 1, .min, .max] {
      #expect(TimestampText.string(value) == nil)
      var bytes: [UInt8] = [1]
      #expect(!TimestampText.append(value, to: &bytes))
      #expect(bytes == [1])
    }
    #expect(TimestampText.milliseconds("0001-01-01T00:00:00+00:01") == nil)
    #expect(TimestampText.milliseconds("0001-01-01T00:01:00+00:01") == TimestampText.range.lowerBound)
    #expect(TimestampText.milliseconds("9999-12-31T23:59:59.999-00:01") == nil)
  }

  @Test func agreesWithFoundationsCalendar() throws {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = try #require(TimeZone(secondsFromGMT: 0))
    var random = JSONTestRandom(seed: 30)
    // Foundation's Gregorian calendar is Julian before October 1582.
    let first: Int64 = -12_219_292_800_000
    for _ in 0..<5_000 {
      let value = Int64.random(in: first...TimestampText.range.upperBound, using: &random)
      let seconds = (Double(value) / 1000).rounded(.down)
      let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: Date(timeIntervalSince1970: seconds))
      let expected = String(
        format: "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.year ?? 0, parts.month ?? 0, parts.day ?? 0, parts.hour ?? 0,
        parts.minute ?? 0, parts.second ?? 0, Int(value - Int64(seconds) * 1000))
      #expect(TimestampText.string(value) == expected)
      #expect(TimestampText.milliseconds(expected) == value)
    }
  }

  @Test func everyDayOfTenThousandYearsFollowsTheOneBefore() {
    var expected = TimestampText.days(year: 1, month: 1, day: 1)
    #expect(expected == -719_162)
    for year in Int64(1)...9999 {
      for month in Int64(1)...12 {
        for day in 1...TimestampText.daysInMonth(year: year, month: month) {
          let civil = TimestampText.civil(days: expected)
          if TimestampText.days(year: year, month: month, day: day) != expected || civil != (year, month, day) {
            Issue.record("\(year)-\(month)-\(day)")
          }
          expected += 1
        }
      }
    }
    #expect((expected * TimestampText.millisecondsPerDay) - 1 == TimestampText.range.upperBound)
  }

  @Test(arguments: [
    ("2026-01-02", "2026-01-02T00:00:00.000Z"), ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
    ("2026-01-02t03:04:05z", "2026-01-02T03:04:05.000Z"), ("2026-01-02 03:04:05Z", "2026-01-02T03:04:05.000Z"),
    ("2026-01-02T03:04:05.6Z", "2026-01-02T03:04:05.600Z"), ("2026-01-02T03:04:05.67Z", "2026-01-02T03:04:05.670Z"),
    ("2026-01-02T03:04:05.6789Z", "2026-01-02T03:04:05.678Z"), ("2026-01-02T03:04:05.999999999Z", "2026-01-02T03:04:05.999Z"),
    ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"), ("2026-01-02T03:04:05+02:30", "2026-01-02T00:34:05.000Z"),
    ("2026-01-02T03:04:05.5-23:59", "2026-01-03T03:03:05.500Z"), ("2026-01-02T03:04:05-00:00", "2026-01-02T03:04:05.000Z"),
    ("2026-01-02T03:04:05+0230", "2026-01-02T00:34:05.000Z"), ("2026-01-02T03:04:05-0000", "2026-01-02T03:04:05.000Z"),
    ("2026-01-02T03:04:60Z", "2026-01-02T03:05:00.000Z"), ("2024-02-29", "2024-02-29T00:00:00.000Z"),
    ("2000-02-29", "2000-02-29T00:00:00.000Z"),
  ])
  func otherSpellingsAreAccepted(text: String, canonical: String) {
    #expect(TimestampText.milliseconds(text).flatMap(TimestampText.string) == canonical)
  }

  @Test(arguments: [
    "", "2026", "2026-01", "2026-1-2", "26-01-02", "2026-01-02T", "2026-01-02Z", "2026-01-02T03:04Z", "2026-01-02T03:04:05",
    "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05.1234567890Z", "2026-01-02T03:04:05,5Z", "2026-01-02T24:00:00Z", "2026-01-02T03:60:00Z",
    "2026-01-02T03:04:61Z", "2026-00-02", "2026-13-02", "2026-01-00", "2026-01-32", "2025-02-29", "1900-02-29", "2026-04-31", "0000-01-01",
    "10000-01-01", "-2026-01-02", "+2026-01-02", " 2026-01-02", "2026-01-02 ", "2026-01-02T03:04:05Z ", "2026-01-02T03:04:05ZZ",
    "2026-01-02T03:04:05+023", "2026-01-02T03:04:05+02", "2026-01-02T03:04:05+02:", "2026-01-02T03:04:05+2400", "2026-01-02T03:04:05+24:00",
    "2026-01-02T03:04:05+02:60", "2026/01/02",
    "2026-01-02_03:04:05Z", "2026-01-02T03:04:05z+00:00", "２026-01-02", "2026-01-02\0", "20260102T030405Z", "1767323045678",
  ])
  func everythingElseIsRefused(text: String) {
    #expect(TimestampText.milliseconds(text) == nil)
  }

  @Test func truncatedAndChangedTextsNeverTrap() {
    var random = JSONTestRandom(seed: 31)
    let full = Array("2026-01-02T03:04:05.678+01:30".utf8)
    for length in 0..<full.count where length != 10 {
      #expect(TimestampText.milliseconds(String(decoding: full[..<length], as: UTF8.self)) == nil)
    }
    for _ in 0..<20_000 {
      var text = full
      text[Int.random(in: 0..<text.count, using: &random)] = UInt8.random(in: 0..<128, using: &random)
      if let value = TimestampText.milliseconds(String(decoding: text, as: UTF8.self)) { #expect(TimestampText.string(value) != nil) }
    }
  }
}
