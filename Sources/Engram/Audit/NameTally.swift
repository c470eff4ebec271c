import Formats

/// Counts how often each name occurs, for at most ``nameLimit`` different ones.
struct NameTally {
  /// With names of the greatest length, the table takes ten megabytes.
  static let nameLimit = 10_000

  private var counts: [Exact<String>: Int] = [:]
  private var uncounted = 0

  mutating func add(_ name: String) {
    if let index = counts.index(forKey: Exact(name)) {
      counts.values[index] += 1
    } else if counts.count < Self.nameLimit {
      counts[Exact(name)] = 1
    } else {
      uncounted += 1
    }
  }

  func names(limit: Int) -> AuditReport.Names {
    var commonest = Ranking<AuditReport.Name>(limit: limit) { left, right in
      left.count != right.count ? left.count > right.count : left.name.precedesInBytes(right.name)
    }
    for (name, count) in counts { commonest.insert(.init(name: name.value, count: count)) }
    return AuditReport.Names(
      distinct: counts.count, occurrences: counts.values.reduce(uncounted, +), uncounted: uncounted, commonest: commonest.sorted())
  }
}
