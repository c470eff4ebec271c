/// Counts how often each name occurs, for at most ``nameLimit`` different ones.
struct NameTally {
  /// Ten megabytes of the longest names.
  static let nameLimit = 10_000

  private var counts: [String: Int] = [:]
  private var uncounted = 0

  mutating func add(_ name: String) {
    if let index = counts.index(forKey: name) {
      counts.values[index] += 1
    } else if counts.count < Self.nameLimit {
      counts[name] = 1
    } else {
      uncounted += 1
    }
  }

  func names(limit: Int) -> AuditReport.Names {
    var commonest = Ranking<AuditReport.Name>(limit: limit) { left, right in
      left.count != right.count ? left.count > right.count : left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
    }
    for (name, count) in counts { commonest.insert(.init(name: name, count: count)) }
    return AuditReport.Names(
      distinct: counts.count, occurrences: counts.values.reduce(uncounted, +), uncounted: uncounted, commonest: commonest.sorted())
  }
}
