import Formats
import Foundation

/// Checks of the numbers, times and durations that callers pass. An error names the argument. It does not quote a date, because Foundation
/// traps when it prints a date that is not finite.
extension Limits {
  /// Ten years: no sum of such a duration and an instant overflows.
  static let duration = Duration.zero...Duration.seconds(3_650 * 86_400)

  /// - Throws: ``StoreError`` `.invalidArgument`.
  static func check(_ duration: Duration?, _ name: StaticString) throws(StoreError) {
    guard let duration, !Self.duration.contains(duration) else { return }
    throw StoreError(.invalidArgument, "\(name) is \(duration), it must lie between 0 and 3,650 days")
  }

  /// Refuses a date that is NaN, infinite, or does not fit into 64 bits of milliseconds; accepts nil.
  static func check(_ date: Date?, _ name: @autoclosure () -> String) throws(StoreError) {
    guard let date else { return }
    let milliseconds = date.timeIntervalSince1970 * 1000
    // NaN lies in no range.
    guard abs(milliseconds) < 0x1p63 else {
      throw StoreError(.invalidArgument, "\(name()) is no time: it is not finite, or millions of years away")
    }
  }

  private static func checkFinite(_ number: Double, _ name: @autoclosure () -> String) throws(StoreError) {
    guard number.isFinite else { throw StoreError(.invalidArgument, "\(name()) is \(number), it must be finite") }
  }

  /// Checks every date and number of a filter, at any depth.
  ///
  /// - Throws: ``StoreError`` `.invalidArgument`.
  static func check(_ filter: Filter?) throws(StoreError) {
    switch filter {
    case nil, .kind, .session, .speaker, .ids, .hasMetadata, .tag, .source, .trust, .superseded: return
    case .valid(let date): try check(date, "the filter's valid(at:)")
    case .created(let from, let to):
      try check(from, "the filter's created(from:)")
      try check(to, "the filter's created(to:)")
    case .expires(let from, let to):
      try check(from, "the filter's expires(from:)")
      try check(to, "the filter's expires(to:)")
    case .importance(let least): try checkFinite(least, "the filter's importance(atLeast:)")
    case .metadata(let key, let value): try check(value, "the filter's metadata value", key)
    case .metadataRange(let key, let from, let to):
      try check(from, "the filter's metadataRange(from:)", key)
      try check(to, "the filter's metadataRange(to:)", key)
    case .and(let parts), .or(let parts):
      for part in parts { try check(part) }
    case .not(let part): try check(part)
    }
  }

  private static func check(_ value: MetadataValue?, _ name: StaticString, _ key: String) throws(StoreError) {
    guard case .double(let number) = value else { return }
    try checkFinite(number, "\(name) for '\(TerminalText.excerpt(key))'")
  }

  /// - Throws: ``StoreError`` `.invalidUserID`; `.invalidArgument` for too many users.
  static func check(_ scope: SearchScope) throws(StoreError) {
    switch scope {
    case .all: break
    case .user(let userID): try checkUserID(userID)
    case .users(let userIDs):
      for userID in userIDs { try checkUserID(userID) }
      // A list with no more elements than allowed users needs no count of the distinct ones.
      guard userIDs.count > scopeUsers else { return }
      let count = Set(userIDs.map(Exact.init)).count
      if count > scopeUsers { throw StoreError(.invalidArgument, "the scope has \(count) users, at most \(scopeUsers) are allowed") }
    }
  }

  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`.
  static func check(_ query: SearchQuery) throws(StoreError) {
    guard query.limit > 0 else { throw StoreError(.invalidArgument, "the limit of a search is \(query.limit), it must be at least 1") }
    if let threshold = query.threshold { try checkFinite(Double(threshold), "the threshold of a search") }
    try check(neighbors: query.neighbors)
    guard 0.5...1 ~= query.precision.recall else {
      throw StoreError(.invalidArgument, "the recall of a fast search is \(query.precision.recall), it must be 0.5…1")
    }
    try check(query.asOf, "the asOf of a search")
    try check(query.filter)
    try check(query.scope)
  }

  private static func check(neighbors: Int) throws(StoreError) {
    guard 0...64 ~= neighbors else { throw StoreError(.invalidArgument, "the neighbors of a search are \(neighbors), they must be 0…64") }
  }

  private static func check(_ ranking: TextRanking, _ mode: SearchMode) throws(StoreError) {
    guard 0...10 ~= ranking.importance else {
      throw StoreError(.invalidArgument, "the importance of a ranking is \(ranking.importance), it must be 0…10")
    }
    if let recency = ranking.recency {
      guard 0...10 ~= recency.weight else {
        throw StoreError(.invalidArgument, "the weight of recency is \(recency.weight), it must be 0…10")
      }
      guard recency.halfLife > .zero else {
        throw StoreError(.invalidArgument, "the half-life of recency is \(recency.halfLife), it must be more than 0")
      }
    }
    guard mode != .dense || ranking == TextRanking() else {
      throw StoreError(.invalidArgument, "a dense search ranks by similarity alone: a ranking is for hybrid and lexical ones")
    }
  }

  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`, `.valueTooLarge`.
  static func check(_ query: TextQuery) throws(StoreError) {
    guard query.limit > 0 else { throw StoreError(.invalidArgument, "the limit of a search is \(query.limit), it must be at least 1") }
    if let threshold = query.threshold { try checkFinite(Double(threshold), "the threshold of a search") }
    if let least = query.minimumFusedScore { try checkFinite(Double(least), "the minimumFusedScore of a search") }
    try check(query.ranking, query.mode)
    try check(neighbors: query.neighbors)
    try check(query.asOf, "the asOf of a search")
    try checkText(query.text)
    try check(query.filter)
    try check(query.scope)
  }

  static func check(_ options: StoreOptions) throws(StoreError) {
    try check(options.snapshotMaxAge, "snapshotMaxAge")
    try check(options.writeTimeout, "writeTimeout")
    if case .eventual(let maxDelay) = options.durability { try check(maxDelay, "the maxDelay of eventual durability") }
    guard options.historyLimit >= 0 else {
      throw StoreError(.invalidArgument, "the historyLimit is \(options.historyLimit), it must be at least 0")
    }
    guard options.queueLimit > 0 else {
      throw StoreError(.invalidArgument, "the queueLimit is \(options.queueLimit), it must be at least 1")
    }
  }

  /// - Throws: ``StoreError`` `.invalidArgument` for a limit below 0.
  static func check(pageLimit limit: Int) throws(StoreError) {
    guard limit >= 0 else { throw StoreError(.invalidArgument, "the limit of a page is \(limit), it must not be negative") }
  }

  /// - Throws: ``StoreError`` `.invalidArgument` for a limit below 1: with empty pages a listing would never end.
  static func check(pageSize limit: Int) throws(StoreError) {
    guard limit > 0 else { throw StoreError(.invalidArgument, "the limit of a page is \(limit), it must be at least 1") }
  }

  /// The times of a context: those of a record, and `Date.distantPast`, which lies two days before the year 1.
  private static let contextTimes = -62_135_769_600_000...WallClock.range.upperBound

  /// - Throws: ``StoreError`` `.invalidArgument`.
  static func check(_ context: UserContext) throws(StoreError) {
    for (date, name) in [(context.firstSeen, "firstSeen"), (context.lastSeen, "lastSeen")]
    where !contextTimes.contains(date.milliseconds) {
      throw StoreError(.invalidArgument, "the context's \(name) lies outside the years 1 to 9999")
    }
  }

  /// - Throws: ``StoreError`` `.invalidArgument`.
  static func check(memoryVersion version: Int?) throws(StoreError) {
    if let version, version < 1 { throw StoreError(.invalidArgument, "ifVersion is \(version), it must be at least 1") }
  }
}
