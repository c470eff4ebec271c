import Formats
import LMDB
import VectorSearch

/// Reads a scope for ``HybridRanking``: from `words`, or from the records of the memories in a store that lacks it. The result is the same.
///
/// - Complexity: O(terms of the scope), about a tenth of a microsecond for each memory; from records, some microseconds for each.
struct ScopeReading {
  /// A memory of the scope.
  struct Candidate {
    let id: MemoryID
    /// The row of its embedding; negative: it has none.
    let row: Int
    /// Milliseconds since 1970.
    let createdAt: Int64
  }

  /// A session of one user; a session of another user with the same name is a different one.
  private struct Session: Hashable {
    let user: UserKey
    let name: UInt128

    // The name is a keyed hash already.
    func hash(into hasher: inout Hasher) { hasher.combine(UInt64(truncatingIfNeeded: name)) }
  }

  private let query: TextQuery
  private let moment: SearchMoment
  /// The number of rows at this instant. No row beyond is read: the map continues after the end of the file, where an access raises a
  /// signal.
  private var rowCount = 0
  private let terms: QueryTerms
  /// The scores of the candidates' rows, in the order of the candidates; nil: they are not compared, or later, by codes.
  private(set) var scores: BackgroundScores?
  private let check: () throws -> Void

  private(set) var words: ScopeWords
  private(set) var candidates: [Candidate] = []
  private var numbers: [Session: Int] = [:]
  /// The session that was looked up last: most memories follow another one of their session.
  private var latest: (session: Session, number: Int)?
  /// The numbers of a block's sessions; negative: no memory of the session was added yet, so it does not count in the statistics.
  private var blockSessions: [Int] = []
  /// The indices of the query's terms in a block.
  private var found: [UInt32] = []
  private var bytes = 0

  /// - Parameters:
  ///   - query: A query that was checked.
  ///   - scores: Gets the row of each candidate; nil: embeddings are not compared.
  ///   - check: Called now and then; an error that it throws ends the reading.
  init(_ query: TextQuery, _ reader: TermReader, _ scores: BackgroundScores?, check: @escaping () throws -> Void) {
    self.query = query
    self.scores = scores
    moment = SearchMoment(query)
    self.check = check
    terms = QueryTerms(query.text, reader)
    words = ScopeWords(termCount: terms.count)
  }

  mutating func run(_ reader: borrowing RecordReader, _ termReader: TermReader, ignoresIndex: Bool) throws {
    rowCount = try reader.state().rowsHigh
    if try !ignoresIndex && reader.has(Tables.Words.self) {
      try readWords(reader)
      words.finish()
    } else {
      try readRecords(reader, termReader)
      // The memories of all users were read in the order of ids, not of time.
      let candidates = candidates
      words.finish(
        by: query.scope == .all ? { (candidates[$0].createdAt, candidates[$0].id) < (candidates[$1].createdAt, candidates[$1].id) } : nil)
    }
  }

  // MARK: From words

  private mutating func readWords(_ reader: borrowing RecordReader) throws {
    guard let users = reader.users(of: query.scope) else {
      reserve(try reader.state().memories)
      return try reader.walk(Tables.Words.self) { key, value in try add(value, of: key.user, reader) }
    }
    reserve(try users.reduce(0) { $0 + (try reader.user($1.key, $1.userID)?.memories ?? 0) })
    for user in users {
      try reader.walk(Tables.Words.self, prefix: user.key.prefix) { key, value in try add(value, of: key.user, reader) }
    }
  }

  private mutating func add(_ value: RawSpan, of user: UserKey, _ reader: borrowing RecordReader) throws -> Bool {
    let now = reader.now
    let block = try WordsView(value)
    blockSessions.removeAll(keepingCapacity: true)
    for _ in 0..<block.sessionCount { blockSessions.append(-1) }
    let hits = terms.find(in: block.terms, &found)
    if moment.asOf == nil, block.haveAllMemories(at: now, includesSuperseded: moment.includesSuperseded) {
      try addAll(block, of: user, hits)
      try pass(value.byteCount)
      return true
    }
    var (next, end) = (0, 0)
    for slot in 0..<block.count {
      end += block.termCount(slot)
      if block.expiresAt(slot) > now, try moment.includes(block, slot, reader) {
        let session = block.sessionIndex(slot)
        if session > 0, blockSessions[session - 1] < 0 {
          blockSessions[session - 1] = number(of: Session(user: user, name: block.session(number: session - 1)))
        }
        let memory = try add(
          Candidate(id: block.id(slot), row: block.row(slot), createdAt: block.createdAt(slot)),
          session: session == 0 ? nil : blockSessions[session - 1],
          length: block.length(slot), questionShare: block.questionShare(slot))
        while next < hits, Int(found[next]) < end {
          let index = Int(found[next])
          if let place = terms.place(of: block.term(index)) { words.count(place, block.mark(index), memory) }
          next += 1
        }
      } else {
        while next < hits, Int(found[next]) < end { next += 1 }
      }
    }
    try pass(value.byteCount)
    return true
  }

  /// Adds a record all of whose memories may be found.
  private mutating func addAll(_ block: borrowing WordsView, of user: UserKey, _ hits: Int) throws {
    let first = candidates.count
    for slot in 0..<block.count {
      let session = block.sessionIndex(slot)
      if session > 0, blockSessions[session - 1] < 0 {
        blockSessions[session - 1] = number(of: Session(user: user, name: block.session(number: session - 1)))
      }
    }
    let row = words.add(block, to: &candidates) { slot in
      let session = block.sessionIndex(slot)
      return session == 0 ? nil : blockSessions[session - 1]
    }
    if row >= rowCount { for candidate in candidates[first...] { try checkRow(candidate.row, of: candidate.id) } }
    if scores != nil { for number in first..<candidates.count { scores!.add(row: candidates[number].row) } }
    guard hits > 0 || terms.hasDates else { return }
    var (next, end) = (0, 0)
    for slot in 0..<block.count {
      end += block.termCount(slot)
      // Postings are in ascending order of memories.
      if terms.hasDates { markDates(first + slot) }
      while next < hits, Int(found[next]) < end {
        let index = Int(found[next])
        if let place = terms.place(of: block.term(index)) { words.count(place, block.mark(index), first + slot) }
        next += 1
      }
    }
  }

  // MARK: From records

  private mutating func readRecords(_ reader: borrowing RecordReader, _ termReader: TermReader) throws {
    try reader.forEachMemory(in: query.scope) { record in
      let memory = record.memory
      guard try moment.includes(memory, reader) else { return true }
      let name = memory.sessionID.map { reader.userKey($0).number } ?? 0
      let entry = WordsEntry(record, session: name, termReader)
      let session = name == 0 ? nil : number(of: Session(user: reader.userKey(memory.userID), name: name))
      let number = try add(
        Candidate(id: entry.id, row: entry.row, createdAt: entry.createdAt), session: session, length: entry.length,
        questionShare: entry.questionShare)
      for term in entry.terms { if let place = terms.place(of: term.term) { words.count(place, term.mark, number) } }
      try pass(memory.text.utf8.count + 512)
      return true
    }
  }

  // MARK: A memory

  private mutating func reserve(_ count: Int) {
    candidates.reserveCapacity(count)
    words.reserve(count)
  }

  private mutating func number(of session: Session) -> Int {
    if let latest, latest.session == session { return latest.number }
    let number = numbers[session, default: words.sessionCount]
    if number == words.sessionCount { numbers[session] = words.addSession() }
    latest = (session, number)
    return number
  }

  /// - Returns: The memory's number.
  private mutating func add(_ candidate: Candidate, session: Int?, length: Int, questionShare: Int) throws -> Int {
    try checkRow(candidate.row, of: candidate.id)
    candidates.append(candidate)
    scores?.add(row: candidate.row)
    let memory = words.add(length: length, questionShare: questionShare, session: session)
    if terms.hasDates { markDates(memory) }
    return memory
  }

  private func checkRow(_ row: Int, of id: MemoryID) throws {
    guard row < rowCount else { throw StoreError(.corrupted, "memory \(id) names row \(row), the store has \(rowCount)") }
  }

  private mutating func markDates(_ memory: Int) {
    let date = DateTerms.civil(candidates[memory].createdAt)
    for place in 0..<terms.count where terms.isDated(place, date) { words.markDated(place, memory) }
  }

  private mutating func pass(_ count: Int) throws {
    bytes += count
    guard bytes > 1 << 20 else { return }
    bytes = 0
    try check()
  }
}
