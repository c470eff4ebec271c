import Foundation

/// The default ranking of a search by text: words and meaning of a memory, of its neighbors in the session, and of the session.
///
/// BM25F (Robertson, Zaragoza, "The Probabilistic Relevance Framework", 2009) in which the turns around a memory are fields inside of the saturation; the
/// weights are those that found most on real conversations, see <doc:Evidence>.
struct HybridRanking {
  /// Of the memories: saturation, and how much length counts.
  private static let k1 = 1.2
  private static let b = 0.4
  /// The same of sessions.
  private static let sessionK1 = 1.2
  private static let sessionB = 0.75
  /// What the words and similarities of the memories one and two places before and behind count, in the same session.
  private static let neighborShares = [0.3, 0.15]
  /// What a word in a question counts for the memory that asks, and for the next one.
  private static let questionOwn = 0.3
  private static let questionNext = 1.0
  private static let sessionWeight = 0.4
  private static let authorWeight = 0.1
  private static let questionWeight = 0.3
  /// Of the best similarity of a session, against that of the memory itself.
  private static let sessionDenseShare = 0.2
  private static let tiny = 1e-9

  let words: ScopeWords
  /// What embeddings count against words: 1 for models of sentences, less for weaker embedders.
  let denseWeight: Double
  let ranking: TextRanking

  /// What the score of each memory is made of; the score is the sum.
  struct Parts {
    var words: [Double]
    var session: [Double]
    var author: [Double]
    /// Not above zero.
    var question: [Double]
    var dense: [Double]
    var sessionDense: [Double]

    init(count: Int) {
      words = [Double](repeating: 0, count: count)
      (session, author, question, dense, sessionDense) = (words, words, words, words, words)
    }

    /// Whether a memory has nothing in common with the query, by whatever was compared.
    func isEmpty(_ memory: Int) -> Bool {
      words[memory] <= 0 && session[memory] <= 0 && author[memory] <= 0 && dense[memory] <= 0 && sessionDense[memory] <= 0
    }

    func total(_ memory: Int) -> Double {
      words[memory] + session[memory] + author[memory] + question[memory] + dense[memory] + sessionDense[memory]
    }
  }

  /// The place of each memory among the members of its session.
  private let places: [Int]

  init(_ words: ScopeWords, denseWeight: Double, ranking: TextRanking = TextRanking()) {
    self.words = words
    self.ranking = ranking
    self.denseWeight = denseWeight
    var places = [Int](repeating: 0, count: words.count)
    for members in words.members {
      for (place, memory) in members.enumerated() { places[memory] = place }
    }
    self.places = places
  }

  /// - Complexity: O(memories + postings).
  func parts() -> Parts {
    var parts = Parts(count: words.count)
    guard words.count > 0 else { return parts }
    addWords(&parts)
    if !words.similarities.isEmpty { addSimilarities(&parts) }
    return parts
  }

  private func neighbor(_ memory: Int, _ offset: Int) -> Int? {
    let (members, place) = (words.members[words.sessions[memory]], places[memory] + offset)
    return members.indices.contains(place) ? members[place] : nil
  }

  private func forEachNeighbor(of memory: Int, _ body: (_ neighbor: Int, _ share: Double) -> Void) {
    for (index, share) in Self.neighborShares.enumerated() {
      if let before = neighbor(memory, -(index + 1)) { body(before, share) }
      if let behind = neighbor(memory, index + 1) { body(behind, share) }
    }
  }

  /// How much it says of a memory or session that it has a term which `having` of `count` have.
  private static func rarity(_ having: Int, of count: Int) -> Double { log(1 + (Double(count - having) + 0.5) / (Double(having) + 0.5)) }

  // MARK: Words

  private func addWords(_ parts: inout Parts) {
    let average = max(Double(words.lengths.reduce(0, +)) / Double(words.count), Self.tiny)
    var sessionLengths = [Double](repeating: 0, count: words.members.count)
    for memory in 0..<words.count { sessionLengths[words.sessions[memory]] += Double(words.lengths[memory]) }
    let sessionAverage = max(sessionLengths.reduce(0, +) / Double(max(1, sessionLengths.count)), Self.tiny)
    var lexical = [Double](repeating: 0, count: words.count)
    var bySession = [Double](repeating: 0, count: words.members.count)
    // By memory and by session; all zero between two terms.
    var frequencies = [Double](repeating: 0, count: words.count)
    var sessionCounts = [Int](repeating: 0, count: words.members.count)
    var datedSessions = [Bool](repeating: false, count: words.members.count)
    var isTouched = datedSessions
    var touched: [Int] = []
    var touchedSessions: [Int] = []
    func add(_ frequency: Double, to memory: Int) {
      if frequencies[memory] == 0 { touched.append(memory) }
      frequencies[memory] += frequency
    }
    for postings in words.postings where !postings.isEmpty {
      for posting in postings {
        let (memory, session) = (posting.memory, words.sessions[posting.memory])
        let norm = 1 - Self.b + Self.b * Double(words.lengths[memory]) / average
        let counted = ranking.prefersStatements ? (posting.said, posting.asked) : (posting.said + posting.asked, 0)
        let (said, asked) = (Double(counted.0) / norm, Double(counted.1) / norm)
        add(said + Self.questionOwn * asked + (posting.isAuthor ? 1 : 0) + (posting.isDate ? 1 : 0), to: memory)
        if posting.isAuthor { parts.author[memory] = Self.authorWeight }
        if said > 0 { forEachNeighbor(of: memory) { add($1 * said, to: $0) } }
        if asked > 0, let next = neighbor(memory, 1) { add(Self.questionNext * asked, to: next) }
        if !isTouched[session] {
          isTouched[session] = true
          touchedSessions.append(session)
        }
        sessionCounts[session] += posting.said + posting.asked
        if posting.isDate { datedSessions[session] = true }
      }
      let weight = Self.rarity(postings.count, of: words.count)
      for memory in touched {
        lexical[memory] += weight * frequencies[memory] * (Self.k1 + 1) / (frequencies[memory] + Self.k1)
        frequencies[memory] = 0
      }
      touched.removeAll(keepingCapacity: true)
      // Not one in which only an author has the term.
      let hits = touchedSessions.filter { sessionCounts[$0] > 0 || datedSessions[$0] }
      let sessionRarity = Self.rarity(hits.count, of: words.members.count)
      for session in hits {
        let norm = 1 - Self.sessionB + Self.sessionB * sessionLengths[session] / sessionAverage
        let frequency = Double(sessionCounts[session]) / norm + (datedSessions[session] ? 1 : 0)
        bySession[session] += sessionRarity * frequency * (Self.sessionK1 + 1) / (frequency + Self.sessionK1)
      }
      for session in touchedSessions { (sessionCounts[session], datedSessions[session], isTouched[session]) = (0, false, false) }
      touchedSessions.removeAll(keepingCapacity: true)
    }
    let (best, bestSession) = (max(lexical.max() ?? 0, Self.tiny), max(bySession.max() ?? 0, Self.tiny))
    for memory in 0..<words.count {
      parts.words[memory] = lexical[memory] / best
      if words.hasSessions { parts.session[memory] = Self.sessionWeight * bySession[words.sessions[memory]] / bestSession }
      if ranking.prefersStatements { parts.question[memory] = -Self.questionWeight * words.questionShares[memory] }
    }
  }

  // MARK: Meaning

  private func addSimilarities(_ parts: inout Parts) {
    var pooled = [Double](repeating: .nan, count: words.count)
    for memory in 0..<words.count {
      var (sum, shares) = (0.0, 0.0)
      func add(_ other: Int, _ share: Double) {
        let similarity = Double(words.similarities[other])
        if similarity.isNaN { return }
        sum += share * similarity
        shares += share
      }
      add(memory, 1)
      forEachNeighbor(of: memory, add)
      if shares > 0 { pooled[memory] = sum / shares }
    }
    Self.scale(&pooled)
    var best = words.members.map { members in
      members.reduce(Double.nan) { best, memory in
        let similarity = Double(words.similarities[memory])
        return similarity.isNaN ? best : best.isNaN ? similarity : max(best, similarity)
      }
    }
    Self.scale(&best)
    for memory in 0..<words.count {
      parts.dense[memory] = denseWeight * pooled[memory]
      if words.hasSessions { parts.sessionDense[memory] = denseWeight * Self.sessionDenseShare * best[words.sessions[memory]] }
    }
  }

  /// To 0…1; what is not a number counts as the least.
  private static func scale(_ values: inout [Double]) {
    var (least, most) = (Double.infinity, -Double.infinity)
    for value in values where !value.isNaN { (least, most) = (min(least, value), max(most, value)) }
    for index in values.indices { values[index] = values[index].isNaN ? 0 : (values[index] - least) / (most - least + tiny) }
  }
}
