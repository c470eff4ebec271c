/// The terms of dates: the day, the English name of the month and the year, in UTC.
struct DateTerms {
  private let names: DateNames
  /// The numbers in the query that can be years, by their terms.
  private let years: [TermHash: Int]

  init(_ query: String, _ reader: TermReader) {
    names = reader.dateNames
    var years: [TermHash: Int] = [:]
    for number in query.utf8.split(whereSeparator: { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
      guard let number = String(number), let year = Int(number), String(year).utf8.count == number.utf8.count else { continue }
      years[reader.terms(of: number).said.first ?? 0] = year
    }
    self.years = years
  }

  /// The day, month or year that a term names; nil for each that it does not name.
  func meaning(of term: TermHash) -> (day: Int?, month: Int?, year: Int?) {
    (names.days.firstIndex(of: term).map { $0 + 1 }, names.months.firstIndex(of: term).map { $0 + 1 }, years[term])
  }

  /// The day, month and year of a time in UTC: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
  static func civil(_ milliseconds: Int64) -> (day: Int, month: Int, year: Int) {
    let shifted = floorDivide(milliseconds, 86_400_000) + 719_468
    let era = floorDivide(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1), Int(month), Int(yearOfEra + era * 400 + (month <= 2 ? 1 : 0)))
  }

  private static func floorDivide(_ number: Int64, _ divisor: Int64) -> Int64 {
    number >= 0 ? number / divisor : (number - divisor + 1) / divisor
  }
}

/// The terms of the days of a month and of the English names of months, in their order.
struct DateNames {
  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
  ]
  let days: [TermHash]
  let months: [TermHash]

  init(_ reader: TermReader) {
    func term(_ word: String) -> TermHash { reader.terms(of: word).said.first ?? 0 }
    days = (1...31).map { term("\($0)") }
    months = Self.months.map(term)
  }
}
