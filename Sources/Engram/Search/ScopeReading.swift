import Formats
import LMDB
import VectorSearch

/// Reads a scope for ``HybridRanking``: from `words`, or from the records of the memories in a store that lacks it. The result is the same.
///
/// - Complexity: O(terms of the scope), about a tenth of a microsecond a memory; from records, some microseconds a memory.
struct ScopeReading {
  /// A memory of the scope.
  struct Candidate {
    let id: MemoryID
    /// Of its embedding; negative: it has none.
    let row: Int
    /// Milliseconds since 1970.
    let createdAt: Int64
  }

  /// A session of one user: that of the same name of another is another one.
  private struct Session: Hashable {
    let user: UserKey
    let name: UInt128
  }

  private let query: TextQuery
  private let moment: SearchMoment
  /// Scaled as the rows are; nil: similarities are not asked for.
  private let embedding: [Float]?
  private let rows: RowFile?
  /// Rows of this instant: none beyond is read, because the map goes on behind the end of the file, where a touch is a signal.
  private var rowCount = 0
  private let terms: QueryTerms
  private let check: () throws -> Void

  private(set) var words = ScopeWords()
  private(set) var candidates: [Candidate] = []
  private var numbers: [Session: Int] = [:]
  /// The numbers of a block's sessions; negative: no memory of it was counted yet, so it does not count in the statistics.
  private var blockSessions: [Int] = []
  /// How often the memory at hand has each term of the query.
  private var postings: [ScopeWords.Posting] = []
  private var touched: [Int] = []
  private var bytes = 0

  /// - Parameters:
  ///   - query: Checked.
  ///   - check: Called now and then; what it throws ends the reading.
  init(_ query: TextQuery, embedding: [Float]?, rows: RowFile?, _ reader: TermReader, check: @escaping () throws -> Void) {
    self.query = query
    moment = SearchMoment(query)
    self.embedding = embedding
    self.rows = rows
    self.check = check
    terms = QueryTerms(query.text, reader)
    words.postings = Array(repeating: [], count: terms.count)
    postings = Array(repeating: ScopeWords.Posting(memory: 0, said: 0, asked: 0, isAuthor: false, isDate: false), count: terms.count)
  }

  mutating func run(_ reader: borrowing RecordReader, _ termReader: TermReader, ignoresIndex: Bool) throws {
    rowCount = try reader.state().rowsHigh
    if try !ignoresIndex && reader.has(Tables.Words.self) {
      try readWords(reader)
    } else {
      try readRecords(reader, termReader)
    }
  }

  // MARK: From words

  private mutating func readWords(_ reader: borrowing RecordReader) throws {
    guard let users = reader.users(of: query.scope) else {
      return try reader.walk(Tables.Words.self) { key, value in try add(value, of: key.user, reader) }
    }
    for user in users {
      try reader.walk(Tables.Words.self, prefix: user.key.prefix) { key, value in try add(value, of: key.user, reader) }
    }
  }

  private mutating func add(_ value: RawSpan, of user: UserKey, _ reader: borrowing RecordReader) throws -> Bool {
    let now = reader.now
    let block = try WordsView(value)
    blockSessions.removeAll(keepingCapacity: true)
    for _ in 0..<block.sessionCount { blockSessions.append(-1) }
    var start = 0
    for slot in 0..<block.count {
      let end = start + block.termCount(slot)
      if block.expiresAt(slot) > now, try moment.includes(block, slot, reader) {
        let memory = candidates.count
        let session = block.sessionIndex(slot)
        if session > 0, blockSessions[session - 1] < 0 {
          blockSessions[session - 1] = number(of: Session(user: user, name: block.session(number: session - 1)))
        }
        try add(
          Candidate(id: block.id(slot), row: block.row(slot), createdAt: block.createdAt(slot)),
          session: session == 0 ? nil : blockSessions[session - 1],
          length: block.length(slot), questionShare: block.questionShare(slot))
        for index in start..<end {
          let term = block.term(index)
          if terms.mayContain(term), let place = terms.place(of: term) { count(place, block.mark(index), memory) }
        }
        finish(memory, createdAt: block.createdAt(slot))
      }
      start = end
    }
    try pass(value.byteCount)
    return true
  }

  // MARK: From records

  private mutating func readRecords(_ reader: borrowing RecordReader, _ termReader: TermReader) throws {
    try reader.forEachMemory(in: query.scope) { record in
      let memory = record.memory
      guard try moment.includes(memory, reader) else { return true }
      let name = memory.sessionID.map { reader.userKey($0).number } ?? 0
      let entry = WordsEntry(record, session: name, termReader)
      let session = name == 0 ? nil : number(of: Session(user: reader.userKey(memory.userID), name: name))
      let number = candidates.count
      try add(
        Candidate(id: entry.id, row: entry.row, createdAt: entry.createdAt), session: session, length: entry.length,
        questionShare: entry.questionShare)
      for term in entry.terms { if let place = terms.place(of: term.term) { count(place, term.mark, number) } }
      finish(number, createdAt: entry.createdAt)
      try pass(memory.text.utf8.count + 512)
      return true
    }
    guard case .all = query.scope else { return }
    // They came in the order of ids.
    for session in words.members.indices {
      words.members[session].sort { (times[$0], candidates[$0].id) < (times[$1], candidates[$1].id) }
    }
  }

  // MARK: A memory

  private var times: [Int64] = []

  private mutating func number(of session: Session) -> Int {
    if let number = numbers[session] { return number }
    numbers[session] = words.members.count
    words.members.append([])
    return words.members.count - 1
  }

  private mutating func add(_ candidate: Candidate, session: Int?, length: Int, questionShare: Int) throws {
    let memory = candidates.count
    candidates.append(candidate)
    words.lengths.append(length)
    words.questionShares.append(Double(questionShare) / 65_535)
    if let session {
      words.hasSessions = true
      words.sessions.append(session)
      words.members[session].append(memory)
    } else {
      words.sessions.append(words.members.count)
      words.members.append([memory])
    }
    guard candidate.row < rowCount else {
      throw StoreError(.corrupted, "memory \(candidate.id) names row \(candidate.row), the store has \(rowCount)")
    }
    if let embedding, let rows {
      words.similarities.append(candidate.row < 0 ? .nan : rows.similarity(embedding, row: candidate.row))
    }
  }

  private mutating func count(_ place: Int, _ mark: TermMark, _ memory: Int) {
    if postings[place].said + postings[place].asked == 0, !postings[place].isAuthor { touched.append(place) }
    postings[place].said += mark.said
    postings[place].asked += mark.asked
    if mark.isAuthor { postings[place].isAuthor = true }
  }

  private mutating func finish(_ memory: Int, createdAt: Int64) {
    if query.scope == .all { times.append(createdAt) }
    if terms.hasDates {
      let date = DateTerms.civil(createdAt)
      for place in 0..<terms.count where terms.isDated(place, date) {
        if postings[place].said + postings[place].asked == 0, !postings[place].isAuthor { touched.append(place) }
        postings[place].isDate = true
      }
    }
    for place in touched {
      let posting = postings[place]
      words.postings[place].append(
        ScopeWords.Posting(
          memory: memory, said: posting.said, asked: posting.asked, isAuthor: posting.isAuthor, isDate: posting.isDate))
      (postings[place].said, postings[place].asked, postings[place].isAuthor, postings[place].isDate) = (0, 0, false, false)
    }
    touched.removeAll(keepingCapacity: true)
  }

  private mutating func pass(_ count: Int) throws {
    bytes += count
    guard bytes > 1 << 20 else { return }
    bytes = 0
    try check()
  }
}

/// The terms of a query, each once, with a filter that most other terms fail.
struct QueryTerms {
  private let terms: [TermHash]
  private let filter: [UInt64]
  /// For each term: the day, month or year that it is the name of; nil: of none.
  private let dates: [(day: Int?, month: Int?, year: Int?)]
  let hasDates: Bool

  var count: Int { terms.count }

  init(_ text: String, _ reader: TermReader) {
    var terms: [TermHash] = []
    for term in reader.terms(of: text).said where !terms.contains(term) { terms.append(term) }
    self.terms = terms
    var filter = [UInt64](repeating: 0, count: 16)
    for term in terms { filter[Int(term >> 6 & 15)] |= 1 << UInt64(term & 63) }
    self.filter = filter
    let names = DateTerms(text, reader)
    dates = terms.map { names.meaning(of: $0) }
    hasDates = dates.contains { $0.day != nil || $0.month != nil || $0.year != nil }
  }

  /// Whether a term may be one of the query; true for few others.
  func mayContain(_ term: TermHash) -> Bool { filter[Int(term >> 6 & 15)] >> UInt64(term & 63) & 1 != 0 }

  func place(of term: TermHash) -> Int? { terms.firstIndex(of: term) }

  func isDated(_ place: Int, _ date: (day: Int, month: Int, year: Int)) -> Bool {
    let meaning = dates[place]
    return meaning.day == date.day || meaning.month == date.month || meaning.year == date.year
  }
}

extension RowFile {
  /// The `cblas_sdot` of a query, scaled as the rows are, with a row.
  fileprivate func similarity(_ embedding: [Float], row: Int) -> Float {
    var similarity = Float.nan
    forEachScore(query: embedding.span, firstRow: row, live: 1) { similarity = $1 }
    return similarity
  }
}
