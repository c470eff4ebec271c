/// What the ranking needs of a scope, by the numbers of its memories, which count up from 0 as memories are added.
///
/// Integers are as narrow as they can be: for a large scope, getting memory from the system page by page takes as long as reading the
/// scope.
struct ScopeWords {
  /// The occurrences of a query's term in a memory.
  struct Posting: Equatable {
    let memory: Int
    /// How often the term occurs in statements, and in questions.
    var said = 0
    var asked = 0
    /// Whether the term is in the author's name, and in the date.
    var isAuthor = false
    var isDate = false
  }

  /// The number of terms of each memory, its caption included.
  private(set) var lengths: [UInt16] = []
  /// The share of questions in each text, in 65,535ths.
  private(set) var questionShares: [UInt16] = []
  /// The number of each memory's session; a memory without one has a number of its own.
  private(set) var sessions: [Int32] = []
  private(set) var sessionCount = 0
  /// Whether any memory has a session.
  private(set) var hasSessions = false
  /// For each term of the query, its postings in ascending order of memories, one for each memory that has it.
  private(set) var postings: [[Posting]]

  /// The memories, grouped by session, in order of time within each session.
  private(set) var members: [Int32] = []
  /// Where the memories of each session begin in ``members``, and the end of the last.
  private(set) var starts: [Int32] = []
  /// The place of each memory in ``members``.
  private(set) var places: [Int32] = []

  var count: Int { lengths.count }

  /// - Parameter termCount: Terms of the query.
  init(termCount: Int) { postings = Array(repeating: [], count: termCount) }

  /// - Parameter count: The most memories that will be added.
  mutating func reserve(_ count: Int) {
    lengths.reserveCapacity(count)
    questionShares.reserveCapacity(count)
    sessions.reserveCapacity(count)
  }

  /// Adds the memories of a record of words, in the order of their slots.
  ///
  /// - Parameters:
  ///   - candidates: Gets them, too.
  ///   - session: The session of the slot; nil: none.
  /// - Returns: The greatest row.
  mutating func add(
    _ block: borrowing WordsView, to candidates: inout [ScopeReading.Candidate], session: (_ slot: Int) -> Int?
  ) -> Int {
    let row = block.append(to: &candidates, lengths: &lengths, questionShares: &questionShares)
    for slot in 0..<block.count {
      if let session = session(slot) {
        hasSessions = true
        sessions.append(Int32(session))
      } else {
        sessions.append(Int32(addSession()))
      }
    }
    return row
  }

  /// - Returns: The number of the new session.
  mutating func addSession() -> Int {
    sessionCount += 1
    return sessionCount - 1
  }

  /// - Parameters:
  ///   - length: The number of terms, at most 65,535, as is `questionShare`.
  ///   - session: Nil: none.
  /// - Returns: The memory's number: one more than the last one's.
  mutating func add(length: Int, questionShare: Int, session: Int?) -> Int {
    lengths.append(UInt16(length))
    questionShares.append(UInt16(questionShare))
    if session != nil { hasSessions = true }
    sessions.append(Int32(session ?? addSession()))
    return lengths.count - 1
  }

  /// Counts a term of the memory that was added last.
  mutating func count(_ term: Int, _ mark: TermMark, _ memory: Int) {
    postings[term].change(memory) { posting in
      posting.said += mark.said
      posting.asked += mark.asked
      if mark.isAuthor { posting.isAuthor = true }
    }
  }

  /// Notes that a term is in the date of the memory that was added last.
  mutating func markDated(_ term: Int, _ memory: Int) { postings[term].change(memory) { $0.isDate = true } }

  /// Groups the memories by sessions, once all were added.
  ///
  /// - Parameter precedes: Whether the first of two memories was before the second; nil: those of each session were added in order of time.
  mutating func finish(by precedes: ((Int, Int) -> Bool)? = nil) {
    starts = [Int32](repeating: 0, count: sessionCount + 1)
    for session in sessions { starts[Int(session) + 1] += 1 }
    for session in 0..<sessionCount { starts[session + 1] += starts[session] }
    var ends = starts
    members = [Int32](repeating: 0, count: count)
    places = [Int32](repeating: 0, count: count)
    for memory in 0..<count {
      let session = Int(sessions[memory])
      members[Int(ends[session])] = Int32(memory)
      places[memory] = ends[session]
      ends[session] += 1
    }
    guard let precedes else { return }
    for session in 0..<sessionCount where starts[session + 1] - starts[session] > 1 {
      members[Int(starts[session])..<Int(starts[session + 1])].sort { precedes(Int($0), Int($1)) }
    }
    for place in 0..<count { places[Int(members[place])] = Int32(place) }
  }

  /// The number of the memory's session.
  func session(of memory: Int) -> Int { Int(sessions[memory]) }

  /// The places of the session's memories in ``members``.
  func range(of session: Int) -> Range<Int> { Int(starts[session])..<Int(starts[session + 1]) }

  /// The share of questions in the memory's text, 0…1.
  func questionShare(_ memory: Int) -> Double { Double(questionShares[memory]) / 65_535 }

  /// The memory that is `offset` places after another in its session, or before it if `offset` is negative; negative if there is none.
  @inline(__always)
  func neighbor(_ memory: Int, _ offset: Int) -> Int {
    let (place, session) = (Int(places[memory]) + offset, session(of: memory))
    return place >= starts[session] && place < starts[session + 1] ? Int(members[place]) : -1
  }
}

extension WordsView {
  /// Appends what ``id(_:)``, ``row(_:)`` and so on give of all memories, in the order of the slots.
  ///
  /// - Returns: The greatest row.
  fileprivate func append(
    to candidates: inout [ScopeReading.Candidate], lengths: inout [UInt16], questionShares: inout [UInt16]
  ) -> Int {
    let count = count
    let (times, rows) = (8 + 16 * count, 8 + 32 * count)
    return unsafe bytes.withUnsafeBytes { bytes in
      var greatest = -1
      for slot in 0..<count {
        // SAFETY: the record has the columns of `count` memories: see the initializer.
        let row = Int(truncatingIfNeeded: unsafe Self.integer(bytes, rows + 8 * slot, as: UInt64.self) & (1 << 62 - 1)) - 1
        let id = unsafe MemoryID(high: Self.integer(bytes, 8 + 16 * slot), low: Self.integer(bytes, 16 + 16 * slot))
        candidates.append(ScopeReading.Candidate(id: id, row: row, createdAt: unsafe Self.integer(bytes, times + 8 * slot)))
        greatest = max(greatest, row)
      }
      for slot in 0..<count { lengths.append(unsafe Self.integer(bytes, 8 + 40 * count + 2 * slot)) }
      for slot in 0..<count { questionShares.append(unsafe Self.integer(bytes, 8 + 42 * count + 2 * slot)) }
      return greatest
    }
  }
}

extension [ScopeWords.Posting] {
  /// Changes the posting of the memory that was added last, which is the last one or none yet.
  @inline(__always)
  fileprivate mutating func change(_ memory: Int, _ body: (inout ScopeWords.Posting) -> Void) {
    if last?.memory != memory { append(ScopeWords.Posting(memory: memory)) }
    body(&self[count - 1])
  }
}
