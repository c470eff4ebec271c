import CSearchKernels
import LMDB

/// The terms of a query, each once, in the order of their first occurrences.
struct QueryTerms {
  private let terms: [TermHash]
  /// The terms in the byte order of records, which is big-endian.
  private let wanted: [UInt32]
  /// If there are many terms, a bit for the first two bytes of each; empty if there are few, which are compared one by one.
  private let filter: [UInt64]
  /// If there are many terms, the place of each.
  private let places: [TermHash: Int]
  /// For each term, the day, month or year that it names; nil for each that it does not name.
  private let dates: [(day: Int?, month: Int?, year: Int?)]
  let hasDates: Bool

  private static let level = search_best_level()
  /// From this number of terms on, a filter is faster than a comparison with each term.
  private static let many = 25

  var count: Int { terms.count }

  init(_ text: String, _ reader: TermReader) {
    var terms: [TermHash] = []
    var places: [TermHash: Int] = [:]
    for term in reader.terms(of: text).said where places[term] == nil {
      places[term] = terms.count
      terms.append(term)
    }
    self.terms = terms
    wanted = terms.map(\.bigEndian)
    let names = DateTerms(text, reader)
    dates = terms.map { names.meaning(of: $0) }
    hasDates = dates.contains { $0.day != nil || $0.month != nil || $0.year != nil }
    guard terms.count >= Self.many else {
      (filter, self.places) = ([], [:])
      return
    }
    var filter = [UInt64](repeating: 0, count: 1 << 10)
    for term in wanted {
      // The two bytes that lie first in memory, as a number of this machine.
      #if _endian(little)
        let bits = term & 0xffff
      #else
        let bits = term >> 16
      #endif
      filter[Int(bits >> 6)] |= 1 << UInt64(bits & 63)
    }
    self.filter = filter
    self.places = places
  }

  /// Finds the indices of a record's terms that may be terms of the query, in ascending order; ``place(of:)`` decides whether they are.
  ///
  /// - Parameter found: Grows as needed, and gets the indices at its beginning.
  /// - Returns: The number of indices.
  /// - Complexity: O(terms of the record × terms of the query / 16) for a query of few terms, and O(terms of the record) for one of many.
  func find(in record: RawSpan, _ found: inout [UInt32]) -> Int {
    let count = record.byteCount / 4
    if found.count < count { found = [UInt32](repeating: 0, count: count) }
    // Texts without a word have no terms, and an empty span need not have an address.
    guard !terms.isEmpty, count > 0 else { return 0 }
    return unsafe record.withUnsafeBytes { record in
      // SAFETY: both buffers have room for `count` numbers, and the functions keep neither.
      filter.isEmpty
        ? unsafe search_find_terms(Self.level, record.baseAddress!, count, wanted, wanted.count, &found)
        : unsafe search_find_filtered_terms(record.baseAddress!, count, filter, &found)
    }
  }

  /// The place of a term in the query; nil if the query does not have it.
  func place(of term: TermHash) -> Int? { filter.isEmpty ? terms.firstIndex(of: term) : places[term] }

  func isDated(_ place: Int, _ date: (day: Int, month: Int, year: Int)) -> Bool {
    let meaning = dates[place]
    return meaning.day == date.day || meaning.month == date.month || meaning.year == date.year
  }
}
