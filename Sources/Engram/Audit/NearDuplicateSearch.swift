import VectorSearch

/// Compares the embeddings of each user with one another.
struct NearDuplicateSearch {
  typealias Entry = AuditCensus.Entry

  /// Two different embeddings of one user.
  struct Pair {
    let score: Float
    /// The lower id.
    let first: MemoryID
    let second: MemoryID
  }

  /// A user for whom not every pair was compared.
  struct Partial {
    let user: Int
    let embeddings: Int
    let compared: Int
    let possible: Int
  }

  private let rows: RowFile
  private let options: AuditOptions
  private(set) var pairs = 0
  private(set) var identical = 0
  private(set) var compared = 0
  private(set) var possible = 0
  /// At most one for every ``AuditOptions/allPairsLimit`` embeddings.
  private(set) var partial: [Partial] = []
  private var closest: Ranking<Pair>

  init(_ rows: RowFile, _ options: AuditOptions) {
    self.rows = rows
    self.options = options
    closest = Ranking(limit: options.limit) { left, right in
      left.score != right.score
        ? left.score > right.score : (left.first, left.second) < (right.first, right.second)
    }
  }

  consuming func closestPairs() -> [Pair] { closest.sorted() }

  /// - Parameters:
  ///   - entries: Entries whose rows are not zero, sorted by user and row. The rows of a user are in the order in which they were stored.
  ///   - progress: Called now and then; what it throws ends the search.
  mutating func run(_ entries: [Entry], _ progress: @escaping (OperationProgress) throws -> Void) throws {
    var total = 0
    entries.forEachRun(where: { $0.user == $1.user }) { total += Self.pairs($0.count, window: window($0.count)) }
    var meter = WorkMeter(.comparing, total: total, progress)
    try entries.forEachRun(where: { $0.user == $1.user }) { own in try compare(own, &meter) }
    try meter.finish()
  }

  /// With how many of the entries after it each entry of a user with `count` entries is compared.
  private func window(_ count: Int) -> Int { count <= AuditOptions.allPairsLimit ? count - 1 : min(options.window, count - 1) }

  /// Pairs of `count` entries that lie at most `window` apart.
  private static func pairs(_ count: Int, window: Int) -> Int { window * (2 * count - window - 1) / 2 }

  private mutating func compare(_ own: ArraySlice<Entry>, _ meter: inout WorkMeter) throws {
    let (count, window, rows) = (own.count, window(own.count), rows)
    let (comparing, all) = (Self.pairs(count, window: window), Self.pairs(count, window: count - 1))
    possible += all
    if comparing < all { partial.append(Partial(user: own[own.startIndex].user, embeddings: count, compared: comparing, possible: all)) }
    let norms =
      rows.header.metric == .cosine
      ? nil
      : try own.map {
        try meter.pass(bytes: rows.header.strideBytes)
        return VectorPreparation.squaredNorm(rows.row($0.row)).squareRoot()
      }
    for (position, index) in own.indices.enumerated() {
      let others = own[(index + 1)..<min(index + 1 + window, own.endIndex)]
      if let norms {
        // Scaled before the multiplication, because the product of two small norms would underflow a 32-bit float.
        let unit = Self.scaled(rows.row(own[index].row), by: 1 / norms[position])
        compare(own[index], unit.span, others, norms[(position + 1)...])
      } else {
        compare(own[index], rows.row(own[index].row), others, nil)
      }
      compared += others.count
      // Multiplying a row costs a sixteenth of reading a record of its size.
      try meter.add(others.count, bytes: others.count * rows.header.strideBytes / 16)
    }
  }

  /// - Parameters:
  ///   - query: The embedding of `entry` with unit length.
  ///   - norms: Of the others, in their order; nil if they have unit length.
  private mutating func compare(_ entry: Entry, _ query: Span<Float>, _ others: ArraySlice<Entry>, _ norms: ArraySlice<Double>?) {
    let rows = rows
    for (position, other) in others.enumerated() {
      if other.checksum == entry.checksum {
        pairs += 1
        identical += 1
        continue
      }
      var score = rows.score(query: query, row: other.row)
      if let norms { score = Float(Double(score) / norms[norms.startIndex + position]) }
      guard score >= options.threshold else { continue }
      pairs += 1
      closest.insert(Pair(score: min(score, 1), first: min(entry.id, other.id), second: max(entry.id, other.id)))
    }
  }

  private static func scaled(_ row: Span<Float>, by factor: Double) -> [Float] { row.indices.map { Float(Double(row[$0]) * factor) } }
}

extension [AuditCensus.Entry] {
  /// Calls `body` with every maximal run of adjacent elements that are the same.
  func forEachRun(where areSame: (Element, Element) -> Bool, _ body: (ArraySlice<Element>) throws -> Void) rethrows {
    var start = 0
    for index in indices where index + 1 == count || !areSame(self[index], self[index + 1]) {
      try body(self[start...index])
      start = index + 1
    }
  }
}
