import Formats
import VectorSearch

/// Reads a scope for ``HybridRanking`` from the records of its memories.
///
/// - Complexity: O(bytes of the scope's texts), some microseconds a memory.
struct ScopeReading {
  /// What a search does with a memory besides counting it.
  struct Candidate {
    let id: MemoryID
    let reference: MemoryRecord.RowReference?
    let matchesFilter: Bool
  }

  /// A session of one user: that of the same name of another is another one.
  private struct SessionName: Hashable {
    let user: Exact<String>
    let session: Exact<String>
  }

  private let query: TextQuery
  /// Scaled as the rows are; nil: similarities are not asked for.
  private let embedding: [Float]?
  private let rows: RowFile?
  private let terms: [TermHash: Int]
  private let check: () throws -> Void

  private(set) var words = ScopeWords()
  private(set) var candidates: [Candidate] = []
  private var times: [Int64] = []
  private var numbers: [SessionName: Int] = [:]
  private var authors: [Exact<String>: Set<TermHash>] = [:]
  private var dates: DateTerms

  /// - Parameters:
  ///   - query: Checked.
  ///   - check: Called now and then; what it throws ends the reading.
  init(_ query: TextQuery, embedding: [Float]?, rows: RowFile?, _ reader: TermReader, check: @escaping () throws -> Void) {
    self.query = query
    self.embedding = embedding
    self.rows = rows
    self.check = check
    var terms: [TermHash: Int] = [:]
    for term in reader.terms(of: query.text).said where terms[term] == nil { terms[term] = terms.count }
    self.terms = terms
    dates = DateTerms(reader)
    words.postings = Array(repeating: [], count: terms.count)
  }

  /// Walks the scope.
  mutating func run(_ reader: borrowing RecordReader, _ termReader: TermReader) throws {
    var bytes = 0
    try reader.forEachMemory(in: query.scope) { record in
      if query.includesSuperseded || record.memory.supersededBy == nil { add(record, termReader) }
      bytes += record.memory.text.utf8.count + 512
      if bytes > 1 << 20 {
        bytes = 0
        try check()
      }
      return true
    }
    // By id if the scope is all users', and user by user else.
    for session in words.members.indices {
      words.members[session].sort { (times[$0], candidates[$0].id) < (times[$1], candidates[$1].id) }
    }
  }

  private mutating func add(_ record: MemoryRecord, _ termReader: TermReader) {
    let (memory, number) = (record.memory, candidates.count)
    candidates.append(
      Candidate(id: memory.id, reference: record.row, matchesFilter: query.filter?.matches(memory) ?? true))
    times.append(memory.createdAt.milliseconds)
    let text = termReader.terms(of: memory.text, separatesQuestions: memory.sessionID != nil)
    let caption = memory.caption.map { termReader.terms(of: $0).said } ?? []
    words.lengths.append(text.said.count + text.asked.count + caption.count)
    words.questionShares.append(text.questionShare)
    addToSession(memory, number)
    addPostings(number, text, caption, memory, termReader)
    if let embedding, let rows {
      words.similarities.append(record.row.map { rows.similarity(embedding, row: $0.row) } ?? .nan)
    }
  }

  private mutating func addToSession(_ memory: Memory, _ number: Int) {
    if let sessionID = memory.sessionID {
      words.hasSessions = true
      let name = SessionName(user: Exact(memory.userID), session: Exact(sessionID))
      if let session = numbers[name] {
        words.sessions.append(session)
        words.members[session].append(number)
        return
      }
      numbers[name] = words.members.count
    }
    words.sessions.append(words.members.count)
    words.members.append([number])
  }

  private mutating func addPostings(_ number: Int, _ text: TextTerms, _ caption: [TermHash], _ memory: Memory, _ termReader: TermReader) {
    if terms.isEmpty { return }
    var said = [Int](repeating: 0, count: terms.count)
    var asked = said
    for term in text.said { if let index = terms[term] { said[index] += 1 } }
    for term in caption { if let index = terms[term] { said[index] += 1 } }
    for term in text.asked { if let index = terms[term] { asked[index] += 1 } }
    let author = memory.speaker.map { authorTerms($0, termReader) } ?? []
    let date = DateTerms.civil(memory.createdAt.milliseconds)
    let year = dates.term(ofYear: date.year, termReader)
    for (term, index) in terms {
      let posting = ScopeWords.Posting(
        memory: number, said: said[index], asked: asked[index], isAuthor: author.contains(term),
        isDate: dates.contains(term, date, yearTerm: year))
      if posting.said > 0 || posting.asked > 0 || posting.isAuthor || posting.isDate { words.postings[index].append(posting) }
    }
  }

  private mutating func authorTerms(_ name: String, _ termReader: TermReader) -> Set<TermHash> {
    if let known = authors[Exact(name)] { return known }
    let terms = Set(termReader.terms(of: name).said)
    authors[Exact(name)] = terms
    return terms
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
