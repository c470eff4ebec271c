import Formats
import LMDB

/// What a search by text needs of a memory.
struct WordsEntry: Sendable, Equatable {
  var id: MemoryID
  /// Milliseconds since 1970.
  var createdAt: Int64
  /// ``BlockColumns/never``: never.
  var expiresAt: Int64
  /// The row of the embedding; negative: there is none.
  var row: Int
  var isSuperseded: Bool
  /// The hash of the session's name; 0: there is none.
  var session: UInt128
  /// The number of terms in the text and the caption, repeated ones included; at most 65,535.
  var length: Int
  /// The share of questions in the text, in 65,535ths.
  var questionShare: Int
  /// In ascending order, each term once, or more often if it occurs more often than one mark can count.
  var terms: [MarkedTerm]
}

/// A term and how often a memory has it.
struct MarkedTerm: Sendable, Equatable {
  var term: TermHash
  var mark: TermMark
}

/// Bits 0 to 2: how often a term occurs in statements; 3 to 5: how often it occurs in questions; 6: it is in the author's name.
struct TermMark: Sendable, Equatable {
  let rawValue: UInt8

  static let most = 7

  var said: Int { Int(rawValue & 7) }
  var asked: Int { Int(rawValue >> 3 & 7) }
  var isAuthor: Bool { rawValue & 64 != 0 }

  init(rawValue: UInt8) { self.rawValue = rawValue }

  init(said: Int, asked: Int, isAuthor: Bool) { rawValue = UInt8(said | asked << 3 | (isAuthor ? 64 : 0)) }
}

extension WordsEntry {
  /// - Parameters:
  ///   - session: The hash of its name; 0: none.
  init(_ record: MemoryRecord, session: UInt128, _ reader: TermReader) {
    let memory = record.memory
    self.init(
      record, session: session,
      MemoryWords(
        memory.text, caption: memory.caption, speaker: memory.speaker, separatesQuestions: memory.sessionID != nil, reader))
  }

  init(_ record: MemoryRecord, session: UInt128, _ words: MemoryWords) {
    let memory = record.memory
    self.init(
      id: memory.id, createdAt: memory.createdAt.milliseconds, expiresAt: memory.expiresAt?.milliseconds ?? BlockColumns.never,
      row: record.row?.row ?? -1, isSuperseded: memory.supersededBy != nil, session: session, length: words.length,
      questionShare: words.questionShare, terms: words.terms)
  }
}

/// The part of a ``WordsEntry`` that follows from the texts of a memory.
struct MemoryWords: Sendable {
  /// As in ``WordsEntry``.
  let length: Int
  let questionShare: Int
  let terms: [MarkedTerm]

  init(_ text: String, caption: String?, speaker: String?, separatesQuestions: Bool, _ reader: TermReader) {
    var text = reader.terms(of: text, separatesQuestions: separatesQuestions)
    if let caption { text.said += reader.terms(of: caption).said }
    length = min(text.said.count + text.asked.count, Int(UInt16.max))
    questionShare = Int((text.questionShare * 65_535).rounded())
    terms = Self.marked(said: text.said, asked: text.asked, speaker.map { reader.terms(of: $0).said } ?? [])
  }

  /// Sorts few values by insertion, without the calls of a general sort: most texts have few words.
  private static func sort(_ values: inout [UInt64]) {
    guard values.count <= 64 else { return values.sort() }
    var sorted = 1
    while sorted < values.count {
      let value = values[sorted]
      var place = sorted
      while place > 0, values[place - 1] > value {
        values[place] = values[place - 1]
        place -= 1
      }
      values[place] = value
      sorted += 1
    }
  }

  private static func marked(said: [TermHash], asked: [TermHash], _ author: [TermHash]) -> [MarkedTerm] {
    // The kind is in the low bits, so that one sort brings all occurrences of a term together.
    var occurrences: [UInt64] = []
    occurrences.reserveCapacity(said.count + asked.count + author.count)
    for term in said { occurrences.append(UInt64(term) << 2) }
    for term in asked { occurrences.append(UInt64(term) << 2 | 1) }
    for term in author { occurrences.append(UInt64(term) << 2 | 2) }
    sort(&occurrences)
    var marked: [MarkedTerm] = []
    marked.reserveCapacity(occurrences.count)
    var index = 0
    while index < occurrences.count {
      let term = TermHash(truncatingIfNeeded: occurrences[index] >> 2)
      var (saidCount, askedCount, isAuthor) = (0, 0, false)
      while index < occurrences.count, occurrences[index] >> 2 == UInt64(term) {
        switch occurrences[index] & 3 {
        case 0: saidCount += 1
        case 1: askedCount += 1
        default: isAuthor = true
        }
        index += 1
      }
      repeat {
        let (said, asked) = (min(saidCount, TermMark.most), min(askedCount, TermMark.most))
        marked.append(MarkedTerm(term: term, mark: TermMark(said: said, asked: asked, isAuthor: isAuthor)))
        (saidCount, askedCount, isAuthor) = (saidCount - said, askedCount - asked, false)
      } while saidCount + askedCount > 0
    }
    return marked
  }
}

/// Entries of consecutive memories of a user, in order of time: a record of `words`.
struct WordsBlock: Equatable {
  var entries: [WordsEntry]

  /// A block of more bytes is split: with its checksum, a block of this size fills the page that LMDB uses for it.
  static let splitBytes = 4072
  /// The most entries of a block, whose count is one byte.
  static let capacity = 255

  var byteCount: Int {
    8 + 48 * entries.count + 16 * sessions.count + 5 * entries.reduce(0) { $0 + $1.terms.count }
  }

  /// The distinct sessions, in the order of the entries.
  private var sessions: [UInt128] {
    var sessions: [UInt128] = []
    for entry in entries where entry.session != 0 && !sessions.contains(entry.session) { sessions.append(entry.session) }
    return sessions
  }

  func encoded() -> [UInt8] {
    let sessions = sessions
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteCount)
    bytes += [1, UInt8(entries.count), UInt8(sessions.count), 0]
    bytes.appendBigEndian(UInt32(entries.reduce(0) { $0 + $1.terms.count }))
    for entry in entries { bytes.append(entry.id) }
    for entry in entries { bytes.appendBigEndian(entry.createdAt) }
    for entry in entries { bytes.appendBigEndian(entry.expiresAt) }
    for entry in entries { bytes.appendBigEndian(UInt64(entry.row + 1)) }
    for entry in entries { bytes.appendBigEndian(UInt16(entry.length)) }
    for entry in entries { bytes.appendBigEndian(UInt16(entry.questionShare)) }
    for entry in entries { bytes.appendBigEndian(UInt16(entry.terms.count)) }
    for entry in entries { bytes.append(UInt8(entry.session == 0 ? 0 : 1 + (sessions.firstIndex(of: entry.session) ?? 0))) }
    for entry in entries { bytes.append(entry.isSuperseded ? 1 : 0) }
    for session in sessions { bytes.appendBigEndian(session) }
    for entry in entries { for term in entry.terms { bytes.appendBigEndian(term.term) } }
    for entry in entries { for term in entry.terms { bytes.append(term.mark.rawValue) } }
    return bytes
  }

  init(_ entries: [WordsEntry]) { self.entries = entries }

  init(_ view: borrowing WordsView) {
    entries = []
    entries.reserveCapacity(view.count)
    var start = 0
    for slot in 0..<view.count {
      let end = start + view.termCount(slot)
      entries.append(
        WordsEntry(
          id: view.id(slot), createdAt: view.createdAt(slot), expiresAt: view.expiresAt(slot), row: view.row(slot),
          isSuperseded: view.isSuperseded(slot), session: view.session(slot), length: view.length(slot),
          questionShare: view.questionShare(slot),
          terms: (start..<end).map { MarkedTerm(term: view.term($0), mark: view.mark($0)) }))
      start = end
    }
  }
}

extension WordsView {
  /// The record with one more entry, or with an entry that replaces another of the same session; the other entries are not decoded.
  ///
  /// - Parameter replaces: Whether `entry` replaces the entry at the place.
  func with(_ entry: WordsEntry, at place: Int, replaces: Bool) -> [UInt8] {
    let tail = place + (replaces ? 1 : 0)
    var firstTerm = 0
    for slot in 0..<place { firstTerm += termCount(slot) }
    let lastTerm = firstTerm + (replaces ? termCount(place) : 0)
    var session = 0
    var addsSession = false
    if entry.session != 0 {
      session = 1 + ((0..<sessionCount).first { self.session(number: $0) == entry.session } ?? sessionCount)
      addsSession = session > sessionCount
    }
    let terms = termCount - (lastTerm - firstTerm) + entry.terms.count
    var bytes: [UInt8] = []
    bytes.reserveCapacity(self.bytes.byteCount + 64 + 5 * entry.terms.count)
    bytes += [1, UInt8(count - (replaces ? 1 : 0) + 1), UInt8(sessionCount + (addsSession ? 1 : 0)), 0]
    bytes.appendBigEndian(UInt32(terms))
    var offset = 8
    func field(_ width: Int, _ append: (inout [UInt8]) -> Void) {
      bytes.append(self.bytes.extracting(offset..<offset + width * place))
      append(&bytes)
      bytes.append(self.bytes.extracting(offset + width * tail..<offset + width * count))
      offset += width * count
    }
    field(16) { $0.append(entry.id) }
    field(8) { $0.appendBigEndian(entry.createdAt) }
    field(8) { $0.appendBigEndian(entry.expiresAt) }
    field(8) { $0.appendBigEndian(UInt64(entry.row + 1)) }
    field(2) { $0.appendBigEndian(UInt16(entry.length)) }
    field(2) { $0.appendBigEndian(UInt16(entry.questionShare)) }
    field(2) { $0.appendBigEndian(UInt16(entry.terms.count)) }
    field(1) { $0.append(UInt8(session)) }
    field(1) { $0.append(entry.isSuperseded ? 1 : 0) }
    bytes.append(self.bytes.extracting(offset..<offset + 16 * sessionCount))
    if addsSession { bytes.appendBigEndian(entry.session) }
    let (termsOffset, marksOffset) = (offset + 16 * sessionCount, offset + 16 * sessionCount + 4 * termCount)
    bytes.append(self.bytes.extracting(termsOffset..<termsOffset + 4 * firstTerm))
    for term in entry.terms { bytes.appendBigEndian(term.term) }
    bytes.append(self.bytes.extracting(termsOffset + 4 * lastTerm..<marksOffset + firstTerm))
    for term in entry.terms { bytes.append(term.mark.rawValue) }
    bytes.append(self.bytes.extracting(marksOffset + lastTerm..<marksOffset + termCount))
    return bytes
  }

  /// The place of an entry in order of time, or the place at which it must be inserted.
  func place(_ createdAt: Int64, _ id: MemoryID) -> (index: Int, isThere: Bool) {
    // From the end: most memories are added in order of time.
    var index = count
    while index > 0, (self.createdAt(index - 1), self.id(index - 1)) >= (createdAt, id) { index -= 1 }
    return (index, index < count && self.id(index) == id && self.createdAt(index) == createdAt)
  }
}

extension [UInt8] {
  fileprivate mutating func append(_ span: RawSpan) {
    unsafe span.withUnsafeBytes { unsafe append(contentsOf: $0) }
  }

  fileprivate mutating func append(_ id: MemoryID) {
    appendBigEndian(id.high)
    appendBigEndian(id.low)
  }
}

/// A record of `words` in the map: reads single fields without decoding the rest.
struct WordsView: ~Escapable {
  let bytes: RawSpan
  /// Memories.
  let count: Int
  let sessionCount: Int
  /// The number of terms of all memories; the terms of each memory follow those of the memory before.
  let termCount: Int
  private let sessionsOffset: Int
  private let termsOffset: Int

  /// - Throws: ``StoreError`` `.corrupted` if the lengths do not fit each other.
  @_lifetime(copy bytes)
  init(_ bytes: RawSpan) throws(StoreError) {
    self.bytes = bytes
    guard bytes.byteCount >= 8 else { throw Self.contradiction }
    let version = bytes.bigEndian(at: 0, as: UInt8.self)
    guard version == 1 else { throw StoreError(.corrupted, "a record of words has the unknown version \(version)") }
    count = Int(bytes.bigEndian(at: 1, as: UInt8.self))
    sessionCount = Int(bytes.bigEndian(at: 2, as: UInt8.self))
    termCount = Int(bytes.bigEndian(at: 4, as: UInt32.self))
    sessionsOffset = 8 + 48 * count
    termsOffset = sessionsOffset + 16 * sessionCount
    guard bytes.byteCount == termsOffset + 5 * termCount, count > 0 else { throw Self.contradiction }
    let (count, sessionCount) = (count, sessionCount)
    var (terms, sessions, rows) = (0, 0, 0 as UInt64)
    unsafe bytes.withUnsafeBytes { bytes in
      for slot in 0..<count {
        terms += Int(unsafe Self.integer(bytes, 8 + 44 * count + 2 * slot, as: UInt16.self))
        sessions = max(sessions, Int(unsafe bytes[8 + 46 * count + slot]))
        rows = max(rows, unsafe Self.integer(bytes, 8 + 32 * count + 8 * slot, as: UInt64.self) & (1 << 62 - 1))
      }
    }
    // A row is stored as one more than its number.
    guard terms == termCount, sessions <= sessionCount, rows <= Limits.rows.upperBound else { throw Self.contradiction }
  }

  private static var contradiction: StoreError { StoreError(.corrupted, "a record of words contradicts itself") }

  func id(_ slot: Int) -> MemoryID { MemoryID(bytes, at: 8 + 16 * slot) }
  func createdAt(_ slot: Int) -> Int64 { bytes.bigEndian(at: 8 + 16 * count + 8 * slot) }
  func expiresAt(_ slot: Int) -> Int64 { bytes.bigEndian(at: 8 + 24 * count + 8 * slot) }
  /// -1: none.
  func row(_ slot: Int) -> Int {
    Int(truncatingIfNeeded: bytes.bigEndian(at: 8 + 32 * count + 8 * slot, as: UInt64.self) & (1 << 62 - 1)) - 1
  }
  func length(_ slot: Int) -> Int { Int(bytes.bigEndian(at: 8 + 40 * count + 2 * slot, as: UInt16.self)) }
  func questionShare(_ slot: Int) -> Int { Int(bytes.bigEndian(at: 8 + 42 * count + 2 * slot, as: UInt16.self)) }
  func termCount(_ slot: Int) -> Int { Int(bytes.bigEndian(at: 8 + 44 * count + 2 * slot, as: UInt16.self)) }
  /// 0: none; else one more than the number of the session in the block.
  func sessionIndex(_ slot: Int) -> Int { Int(bytes.bigEndian(at: 8 + 46 * count + slot, as: UInt8.self)) }
  func isSuperseded(_ slot: Int) -> Bool { bytes.bigEndian(at: 8 + 47 * count + slot, as: UInt8.self) != 0 }
  func session(number: Int) -> UInt128 { bytes.bigEndian(at: sessionsOffset + 16 * number) }

  /// Whether no memory has expired at `now`, and, unless `includesSuperseded`, none is superseded.
  func haveAllMemories(at now: Int64, includesSuperseded: Bool) -> Bool {
    let count = count
    return unsafe bytes.withUnsafeBytes { bytes in
      var (superseded, first) = (0 as UInt8, Int64.max)
      for slot in 0..<count {
        unsafe superseded |= bytes[8 + 47 * count + slot]
        first = min(first, unsafe Self.integer(bytes, 8 + 24 * count + 8 * slot))
      }
      return first > now && (includesSuperseded || superseded == 0)
    }
  }

  /// A big-endian integer that lies inside the bytes.
  @inline(__always)
  static func integer<Integer: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _ offset: Int, as type: Integer.Type = Integer.self
  ) -> Integer {
    // SAFETY: the callers read columns whose places the initializer has checked; any bit pattern is an integer.
    unsafe Integer(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Integer.self))
  }
  func session(_ slot: Int) -> UInt128 { sessionIndex(slot) == 0 ? 0 : session(number: sessionIndex(slot) - 1) }
  /// The terms of all memories, 4 bytes each, big-endian.
  var terms: RawSpan {
    @_lifetime(copy self)
    get { bytes.extracting(termsOffset..<termsOffset + 4 * termCount) }
  }
  func term(_ index: Int) -> TermHash { bytes.bigEndian(at: termsOffset + 4 * index) }
  func mark(_ index: Int) -> TermMark { TermMark(rawValue: bytes.bigEndian(at: termsOffset + 4 * termCount + index)) }
}
