import VectorSearch

/// What ``HybridRanking`` needs of similarities that are known within bounds.
///
/// Similarities are scaled by the least and the greatest of all pooled ones, and by those of all sessions' best ones. These four
/// are determined exactly: rows that could be, or belong to, one of them are scored. Everything else stays bounded until it is asked for.
/// Pooling and scaling are monotonic, rounding included, so bounds of results are the results of bounds.
struct BoundedMeaning {
  private let words: ScopeWords
  /// By the places of ``ScopeWords/members``.
  private(set) var scores: ScoreBounds
  /// By place: bounds of the pooled similarities when no row was scored; NaN if there is none.
  private var pooledLower: [Double]
  private var pooledUpper: [Double]
  /// By session: bounds of the best similarity; equal once it is known.
  private var bestLower: [Double] = []
  private var bestUpper: [Double] = []
  private var pooledScale = HybridRanking.Scale()
  private var bestScale = HybridRanking.Scale()

  /// So many that probably are the least or the greatest are scored first: then few others could be.
  private static let firstCount = 16
  /// Rows ahead that are asked for.
  private static let ahead = 6

  /// - Returns: Nil if too many rows would have to be scored, or if a score is not finite.
  /// - Complexity: O(memories), and O(dimension) for each row that is scored.
  init?(_ words: ScopeWords, _ scores: consuming ScoreBounds, mostFloats: Double) {
    self.words = words
    self.scores = scores
    pooledLower = [Double](repeating: .nan, count: words.count)
    pooledUpper = pooledLower
    guard scores.areFinite, scalePooled(mostFloats) else { return nil }
    if words.hasSessions { scaleBest() }
    // A damaged row may have been scored only now.
    if !self.scores.areFinite { return nil }
  }

  // MARK: Pooled similarities

  /// Upper bounds by memory, scaled.
  func pooledBounds() -> [Double] {
    var bounds = [Double](repeating: 0, count: words.count)
    for (place, memory) in words.members.enumerated() { bounds[Int(memory)] = pooledScale(min(pooledUpper[place], pooledScale.most)) }
    return bounds
  }

  /// The pooled similarity of a memory, scaled.
  mutating func pooled(_ memory: Int) -> Double {
    pooledScale(resolvePooled(Int(words.places[memory]), words.range(of: words.session(of: memory))))
  }

  private mutating func resolvePooled(_ place: Int, _ members: Range<Int>) -> Double {
    for neighbor in max(members.lowerBound, place - 2)..<min(members.upperBound, place + 3) { scores.resolve(neighbor) }
    return HybridRanking.pooled(scores.lower, place, members)
  }

  /// - Returns: Whether few enough rows had to be scored.
  private mutating func scalePooled(_ mostFloats: Double) -> Bool {
    var (lowest, highest) = (TopK<Int, Void>(limit: Self.firstCount), TopK<Int, Void>(limit: Self.firstCount))
    for session in 0..<words.sessionCount {
      let members = words.range(of: session)
      for place in members {
        let lower = HybridRanking.pooled(scores.lower, place, members)
        if lower.isNaN { continue }
        let upper = HybridRanking.pooled(scores.upper, place, members)
        (pooledLower[place], pooledUpper[place]) = (lower, upper)
        let middle = Float(lower + upper)
        lowest.insert(score: -middle, id: place, payload: ())
        highest.insert(score: middle, id: place, payload: ())
      }
    }
    for place in lowest.sorted().map(\.id) { pooledScale.least = min(pooledScale.least, resolvePooled(place, members(of: place))) }
    for place in highest.sorted().map(\.id) { pooledScale.most = max(pooledScale.most, resolvePooled(place, members(of: place))) }
    var candidates: [Int32] = []
    for place in 0..<words.count where pooledLower[place] < pooledScale.least || pooledUpper[place] > pooledScale.most {
      candidates.append(Int32(place))
    }
    if Double(candidates.count) > mostFloats * Double(words.count) { return false }
    for (index, candidate) in candidates.enumerated() {
      if index + Self.ahead < candidates.count { scores.prefetch(Int(candidates[index + Self.ahead])) }
      decideScale(by: Int(candidate))
    }
    return true
  }

  /// Scores the row of a place, then its neighbors, until its pooled similarity is known or known to be neither the least nor the greatest.
  private mutating func decideScale(by place: Int) {
    let members = members(of: place)
    for distance in 0...2 {
      if members.contains(place - distance) { scores.resolve(place - distance) }
      if members.contains(place + distance) { scores.resolve(place + distance) }
      if HybridRanking.pooled(scores.lower, place, members) >= pooledScale.least,
        HybridRanking.pooled(scores.upper, place, members) <= pooledScale.most
      {
        return
      }
    }
    let value = HybridRanking.pooled(scores.lower, place, members)
    (pooledScale.least, pooledScale.most) = (min(pooledScale.least, value), max(pooledScale.most, value))
  }

  private func members(of place: Int) -> Range<Int> { words.range(of: words.session(of: Int(words.members[place]))) }

  // MARK: Best similarities of sessions

  /// Upper bounds by session, scaled.
  func bestBounds() -> [Double] { bestUpper.map { bestScale(min($0, bestScale.most)) } }

  /// The best similarity of a session, scaled.
  mutating func best(of session: Int) -> Double { bestScale(resolveBest(session)) }

  private mutating func scaleBest() {
    bestLower = [Double](repeating: .nan, count: words.sessionCount)
    bestUpper = bestLower
    var (lowest, highest) = (TopK<Int, Void>(limit: Self.firstCount), TopK<Int, Void>(limit: Self.firstCount))
    for session in 0..<words.sessionCount {
      var (lower, upper) = (-Float.infinity, -Float.infinity)
      for place in words.range(of: session) where !scores.lower[place].isNaN {
        (lower, upper) = (max(lower, scores.lower[place]), max(upper, scores.upper[place]))
      }
      if upper == -.infinity { continue }
      (bestLower[session], bestUpper[session]) = (Double(lower), Double(upper))
      lowest.insert(score: -(lower + upper), id: session, payload: ())
      highest.insert(score: lower + upper, id: session, payload: ())
    }
    for session in highest.sorted().map(\.id) { bestScale.most = max(bestScale.most, resolveBest(session)) }
    for session in lowest.sorted().map(\.id) { bestScale.least = min(bestScale.least, resolveBest(session)) }
    for session in 0..<words.sessionCount where bestLower[session] < bestScale.least || bestUpper[session] > bestScale.most {
      if bestUpper[session] > bestScale.most { bestScale.most = max(bestScale.most, resolveBest(session)) }
      let best = resolveBest(session, orAtLeast: bestScale.least)
      if best < bestScale.least { bestScale.least = best }
    }
  }

  /// Scores rows of a session, those of the greatest bounds first, until its best similarity is known, or known to be `enough`.
  ///
  /// - Returns: The best similarity; NaN if there is none. If it is at least `enough`, a lower bound that is so, too.
  private mutating func resolveBest(_ session: Int, orAtLeast enough: Double = .infinity) -> Double {
    if !(bestLower[session] < bestUpper[session]) { return bestLower[session] }
    let members = words.range(of: session)
    var best = -Float.infinity
    for place in members where scores.lower[place] > best { best = scores.lower[place] }
    var candidates: [Int] = []
    for place in members where scores.upper[place] > best { candidates.append(place) }
    candidates.sort { scores.upper[$0] > scores.upper[$1] }
    for place in candidates {
      if Double(best) >= enough {
        bestLower[session] = Double(best)
        return Double(best)
      }
      if scores.upper[place] <= best { break }
      scores.resolve(place)
      best = max(best, scores.lower[place])
    }
    (bestLower[session], bestUpper[session]) = (Double(best), Double(best))
    return Double(best)
  }
}
