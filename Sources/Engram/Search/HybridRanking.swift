import Foundation
import VectorSearch

/// The default ranking of a search by text: words and meaning of a memory, of its neighbors in the session, and of the session.
///
/// BM25F (Robertson, Zaragoza, "The Probabilistic Relevance Framework", 2009), in which the messages around a memory are fields whose
/// weighted frequencies are added before saturation. The weights are those that found most in real conversations, see <doc:Evidence>.
struct HybridRanking {
  /// BM25 of memories: saturation, and how much length counts.
  private static let k1 = 1.2
  private static let b = 0.4
  /// BM25 of sessions: saturation, and how much length counts.
  private static let sessionK1 = 1.2
  private static let sessionB = 0.75
  /// The weights of the words and similarities of memories one place (near) and two places (far) before and after, in the same session.
  private static let nearShare = 0.3
  private static let farShare = 0.15
  /// The weights of a word in a question, for the memory that asks and for the next one.
  private static let questionOwn = 0.3
  private static let questionNext = 1.0
  private static let sessionWeight = 0.4
  private static let authorWeight = 0.1
  private static let questionWeight = 0.3
  /// The weight of the best similarity in a session, relative to that of the memory itself.
  private static let sessionDenseShare = 0.2
  private static let tiny = 1e-9

  private let words: ScopeWords
  /// The weight of embeddings relative to words: 1 for models of sentences, less for weaker embedders.
  private let denseWeight: Double
  private let ranking: TextRanking

  /// By memory and by session: the BM25 of the words, scaled so that the greatest one is 1.
  private var lexical: [Double]
  private var bySession: [Double]
  private var isAuthor: [Bool]
  /// By memory, the similarities of it and its neighbors; by session, the best similarity. Scaled to 0…1; empty: embeddings are not
  /// compared. Of similarities within bounds, they are upper bounds until ``resolve(_:)``.
  private var pooled: [Double] = []
  private var bestOfSession: [Double] = []
  /// Of each memory's embedding, by number; NaN: it has none. Empty if they are bounded, or not compared.
  private var similarities: [Float] = []
  /// Nil: all similarities are known.
  private var bounded: BoundedMeaning?

  /// The parts of a memory's score, which is their sum.
  struct Parts {
    var words = 0.0
    var session = 0.0
    var author = 0.0
    /// Zero or negative.
    var question = 0.0
    var dense = 0.0
    var sessionDense = 0.0

    /// Whether the memory has nothing in common with the query in any of the parts that were compared.
    var isEmpty: Bool { words <= 0 && session <= 0 && author <= 0 && dense <= 0 && sessionDense <= 0 }

    var total: Double { words + session + author + question + dense + sessionDense }
  }

  /// - Parameter words: The words of the scope, after ``ScopeWords/finish(by:)``.
  /// - Complexity: O(memories + postings).
  init(_ words: ScopeWords, denseWeight: Double, ranking: TextRanking = TextRanking()) {
    self.words = words
    self.ranking = ranking
    self.denseWeight = denseWeight
    lexical = [Double](repeating: 0, count: words.count)
    bySession = [Double](repeating: 0, count: words.sessionCount)
    isAuthor = [Bool](repeating: false, count: words.count)
    if words.count > 0 { scoreWords() }
  }

  func parts(_ memory: Int) -> Parts {
    let session = words.session(of: memory)
    var parts = Parts()
    parts.words = lexical[memory]
    if isAuthor[memory] { parts.author = Self.authorWeight }
    if ranking.prefersStatements { parts.question = -Self.questionWeight * words.questionShare(memory) }
    if !pooled.isEmpty { parts.dense = denseWeight * pooled[memory] }
    if words.hasSessions {
      parts.session = Self.sessionWeight * bySession[session]
      if !pooled.isEmpty { parts.sessionDense = denseWeight * Self.sessionDenseShare * bestOfSession[session] }
    }
    return parts
  }

  /// The weight of a term that `having` of `count` memories or sessions have: the rarer, the greater.
  private static func rarity(_ having: Int, of count: Int) -> Double { log(1 + (Double(count - having) + 0.5) / (Double(having) + 0.5)) }

  // MARK: Words

  private mutating func scoreWords() {
    let average = max(Double(words.lengths.reduce(0) { $0 + Int($1) }) / Double(words.count), Self.tiny)
    var sessionLengths = [Double](repeating: 0, count: words.sessionCount)
    for memory in 0..<words.count { sessionLengths[words.session(of: memory)] += Double(words.lengths[memory]) }
    let sessionAverage = max(sessionLengths.reduce(0, +) / Double(max(1, words.sessionCount)), Self.tiny)
    // By memory and by session; all zero between two terms.
    var frequencies = Frequencies(count: words.count)
    var sessionCounts = [Int](repeating: 0, count: words.sessionCount)
    var datedSessions = [Bool](repeating: false, count: words.sessionCount)
    var isTouched = datedSessions
    var touchedSessions: [Int] = []
    for postings in words.postings where !postings.isEmpty {
      for posting in postings {
        let (memory, session) = (posting.memory, words.session(of: posting.memory))
        let norm = 1 - Self.b + Self.b * Double(words.lengths[memory]) / average
        let counted = ranking.prefersStatements ? (posting.said, posting.asked) : (posting.said + posting.asked, 0)
        let (said, asked) = (Double(counted.0) / norm, Double(counted.1) / norm)
        frequencies.add(said + Self.questionOwn * asked + (posting.isAuthor ? 1 : 0) + (posting.isDate ? 1 : 0), to: memory)
        if posting.isAuthor { isAuthor[memory] = true }
        if said > 0 {
          frequencies.add(Self.nearShare * said, to: words.neighbor(memory, -1))
          frequencies.add(Self.nearShare * said, to: words.neighbor(memory, 1))
          frequencies.add(Self.farShare * said, to: words.neighbor(memory, -2))
          frequencies.add(Self.farShare * said, to: words.neighbor(memory, 2))
        }
        if asked > 0 { frequencies.add(Self.questionNext * asked, to: words.neighbor(memory, 1)) }
        if !isTouched[session] {
          isTouched[session] = true
          touchedSessions.append(session)
        }
        sessionCounts[session] += posting.said + posting.asked
        if posting.isDate { datedSessions[session] = true }
      }
      let weight = Self.rarity(postings.count, of: words.count)
      frequencies.drain { memory, frequency in lexical[memory] += weight * frequency * (Self.k1 + 1) / (frequency + Self.k1) }
      // Without sessions in which only the name of an author has the term.
      let hits = touchedSessions.filter { sessionCounts[$0] > 0 || datedSessions[$0] }
      let sessionRarity = Self.rarity(hits.count, of: words.sessionCount)
      for session in hits {
        let norm = 1 - Self.sessionB + Self.sessionB * sessionLengths[session] / sessionAverage
        let frequency = Double(sessionCounts[session]) / norm + (datedSessions[session] ? 1 : 0)
        bySession[session] += sessionRarity * frequency * (Self.sessionK1 + 1) / (frequency + Self.sessionK1)
      }
      for session in touchedSessions { (sessionCounts[session], datedSessions[session], isTouched[session]) = (0, false, false) }
      touchedSessions.removeAll(keepingCapacity: true)
    }
    Self.scaleToBest(&lexical)
    Self.scaleToBest(&bySession)
  }

  private static func scaleToBest(_ values: inout [Double]) {
    let best = max(values.max() ?? 0, tiny)
    for index in values.indices { values[index] /= best }
  }

  // MARK: Meaning

  /// Adds the similarities of embeddings to the ranking.
  ///
  /// - Parameter similarities: The similarity of each memory's embedding to the query's, by number; NaN if the memory has none.
  /// - Complexity: O(memories).
  mutating func compare(_ similarities: [Float]) {
    self.similarities = similarities
    pooled = [Double](repeating: .nan, count: words.count)
    bestOfSession = [Double](repeating: .nan, count: words.sessionCount)
    // In the order of the members, so that neighbors are beside each other.
    let ordered = words.members.map { similarities[Int($0)] }
    for session in 0..<words.sessionCount {
      let members = words.range(of: session)
      for place in members {
        pooled[Int(words.members[place])] = Self.pooled(ordered, place, members)
        let own = Double(ordered[place])
        if !own.isNaN, !(bestOfSession[session] >= own) { bestOfSession[session] = own }
      }
    }
    Self.scale(&pooled)
    Self.scale(&bestOfSession)
  }

  /// Adds the similarities of embeddings to the ranking, of which only bounds are known: ``parts(_:)`` are upper bounds until
  /// ``resolve(_:)``, and then those that ``compare(_:)-([Float])`` gives.
  ///
  /// - Parameters:
  ///   - similarities: By the places of ``ScopeWords/members``. Those that decide how similarities are scaled are scored.
  ///   - mostFloats: The greatest share of the memories that may have to be scored for that.
  /// - Returns: False if more would have to be scored; then nothing was added.
  /// - Complexity: O(memories), and O(dimension) for each row that is scored.
  mutating func compare(_ similarities: consuming ScoreBounds, mostFloats: Double) -> Bool {
    guard let meaning = BoundedMeaning(words, similarities, mostFloats: mostFloats) else { return false }
    pooled = meaning.pooledBounds()
    bestOfSession = meaning.bestBounds()
    bounded = meaning
    return true
  }

  /// Scores what the memory's score depends on.
  mutating func resolve(_ memory: Int) {
    guard bounded != nil else { return }
    pooled[memory] = bounded!.pooled(memory)
    if words.hasSessions { bestOfSession[words.session(of: memory)] = bounded!.best(of: words.session(of: memory)) }
  }

  /// Whether parts are upper bounds until ``resolve(_:)``.
  var isBounded: Bool { bounded != nil }

  var comparesEmbeddings: Bool { isBounded || !similarities.isEmpty }

  /// The similarity of the memory's embedding, or an upper bound of it until ``resolve(_:)``; NaN: it has none, or none are compared.
  func similarity(_ memory: Int) -> Float {
    if bounded != nil { return bounded!.scores.upper[Int(words.places[memory])] }
    return similarities.isEmpty ? .nan : similarities[memory]
  }

  /// Rows that were scored, and rows that were compared by their codes.
  var rowsCompared: (scored: Int, coded: Int) {
    bounded.map { ($0.scores.rowsScored, $0.scores.rowsCoded) } ?? (similarities.count { !$0.isNaN }, 0)
  }

  /// The similarity of a memory and its neighbors; NaN if none of them has an embedding. Not less for values that are not less: each
  /// operation and its rounding are monotonic, and which values are NaN decides the divisor.
  ///
  /// - Parameters:
  ///   - values: By place.
  ///   - members: The places of the memory's session.
  @inline(__always)
  static func pooled(_ values: [Float], _ place: Int, _ members: Range<Int>) -> Double {
    let own = Double(values[place])
    if members.count == 1 { return own }
    var (sum, shares) = own.isNaN ? (0.0, 0.0) : (own, 1.0)
    for (offset, share) in [(-1, nearShare), (1, nearShare), (-2, farShare), (2, farShare)] {
      guard members.contains(place + offset), !values[place + offset].isNaN else { continue }
      sum += share * Double(values[place + offset])
      shares += share
    }
    return shares > 0 ? sum / shares : .nan
  }

  /// Scales the values to 0…1; NaN becomes 0, as the least value does.
  private static func scale(_ values: inout [Double]) {
    var scale = Scale()
    for value in values where !value.isNaN { (scale.least, scale.most) = (min(scale.least, value), max(scale.most, value)) }
    for index in values.indices { values[index] = scale(values[index]) }
  }

  /// Scales values between the least and the greatest one to 0…1.
  struct Scale {
    var least = Double.infinity
    var most = -Double.infinity

    func callAsFunction(_ value: Double) -> Double { value.isNaN ? 0 : (value - least) / (most - least + HybridRanking.tiny) }
  }
}

/// The weighted frequencies of a term in each memory, those of its neighbors included.
private struct Frequencies {
  private var values: [Double]
  /// The memories whose value is not zero.
  private var touched: [Int] = []

  init(count: Int) { values = [Double](repeating: 0, count: count) }

  /// - Parameter memory: If negative, nothing is added.
  @inline(__always)
  mutating func add(_ frequency: Double, to memory: Int) {
    guard memory >= 0 else { return }
    if values[memory] == 0 { touched.append(memory) }
    values[memory] += frequency
  }

  /// Calls `body` with each value that is not zero, and sets the value to zero.
  mutating func drain(_ body: (_ memory: Int, _ frequency: Double) -> Void) {
    for memory in touched {
      body(memory, values[memory])
      values[memory] = 0
    }
    touched.removeAll(keepingCapacity: true)
  }
}
