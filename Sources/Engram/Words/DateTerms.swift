/// The terms of dates: the day, the English name of the month and the year, in UTC.
struct DateTerms {
  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
  ]
  private let days: [TermHash]
  private let months: [TermHash]
  private var years: [Int: TermHash] = [:]

  init(_ reader: TermReader) {
    days = (1...31).map { reader.terms(of: "\($0)").said.first ?? 0 }
    months = Self.months.map { reader.terms(of: $0).said.first ?? 0 }
  }

  /// Whether a term is in the date of a time.
  ///
  /// - Parameter milliseconds: Since 1970.
  func contains(_ term: TermHash, _ date: (day: Int, month: Int, year: Int), yearTerm: TermHash) -> Bool {
    days[date.day - 1] == term || months[date.month - 1] == term || yearTerm == term
  }

  mutating func term(ofYear year: Int, _ reader: TermReader) -> TermHash {
    if let known = years[year] { return known }
    let term = reader.terms(of: "\(year)").said.first ?? 0
    years[year] = term
    return term
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
