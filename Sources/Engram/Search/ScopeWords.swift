/// What the ranking needs of a scope, by the numbers of its memories, which are in order of time within each session.
struct ScopeWords {
  /// Where a query's term is.
  struct Posting: Equatable {
    let memory: Int
    /// How often the memory says it, and asks with it.
    var said: Int
    var asked: Int
    /// It is in the author's name, and in the date.
    var isAuthor: Bool
    var isDate: Bool
  }

  /// Terms of each memory, its caption's included.
  var lengths: [Int] = []
  /// The share of questions in each text, 0…1.
  var questionShares: [Double] = []
  /// The number of each memory's session; a memory without one has a number of its own.
  var sessions: [Int] = []
  /// The memories of each session, in order of time.
  var members: [[Int]] = []
  /// Some memory has a session.
  var hasSessions = false
  /// For each term of the query, each once.
  var postings: [[Posting]] = []
  /// Of each memory's embedding with the query's; NaN: it has none. Empty: embeddings are not compared.
  var similarities: [Float] = []

  var count: Int { lengths.count }
}
