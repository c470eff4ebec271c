import Formats
import LMDB
import VectorSearch

/// One pass over all databases of a snapshot.
struct StoreVerifier: ~Escapable {
  let reader: RecordReader
  let rows: RowFile?
  var report = VerificationReport()
  var users = KeyTable<Tally>()
  /// Memories whose own record is damaged: reported once, and not again for each entry that names them.
  var damagedMemories: Set<MemoryID> = []
  /// The facts of each memory, with which the entries that name it must agree.
  var memories = KeyTable<MemoryFacts>()
  /// The memories that name each row.
  var owners = RowOwners()
  /// Blocks that have columns.
  var blocksWithColumns = 0
  /// Whether the counts show that every entry of columns has its block.
  var columnsAreMatched = false
  var state = StateRecord()
  /// The features that the store's own record announces.
  var features = StoreRecord.Features()
  /// Codes that searches of this process would use; nil if there are none.
  private(set) var codes: CodeReading?
  /// Rows that lie inside the file.
  private(set) var readableRows = 0
  /// The indexes that the store keeps, and what their entries add up to, by the numbers of their tables.
  private(set) var indexes: [any MemoryIndex.Type] = []
  var sums = [IndexSums](repeating: IndexSums(), count: Tables.all.count)
  /// The numbers of the tables that were walked.
  private var walked: Set<Int> = []
  /// Reports the entries that were seen.
  var meter = WorkMeter(.verifying, total: 0) { _ in }

  /// The counts of a user's memories, rows and contexts that were found.
  struct Tally: KeyedElement {
    let key: UserKey
    var memories = 0
    var rows = 0
    var contexts = 0
    var liveSlots = 0
    /// Whether the user's own record was found.
    var hasRecord = false
  }

  @_lifetime(copy reader)
  init(_ reader: RecordReader) {
    self.reader = reader
    rows = reader.generation.rows
  }

  /// - Parameter progress: Called now and then; an error that it throws ends the verification.
  mutating func run(_ progress: @escaping (OperationProgress) throws -> Void) throws -> VerificationReport {
    do {
      state = try reader.state()
    } catch {
      problem(in: Tables.Meta.self, error)
      return report
    }
    // A table that is not kept up to date is not checked: it holds what earlier commits left, and the next rebuild leaves it out.
    let tables = try reader.schema.tables.filter { try reader.has($0) }
    indexes = tables.compactMap { $0 as? any MemoryIndex.Type }
    var total = 0
    for table in tables { total += try reader.entryCount(of: table) }
    meter = WorkMeter(.verifying, total: total, progress)
    checkRowFile()
    checkCodeFile()
    let reading = rows.map { RowReading($0, count: readableRows, codes: codes?.file) }
    reading?.begin()
    defer { reading?.cancel() }
    memories.reserve(try reader.entryCount(of: Tables.Memories.self))
    try walk(Tables.Meta.self) { verifier, key, value in try verifier.checkMeta(key, value) }
    try walk(Tables.Memories.self) { verifier, key, value in try verifier.checkMemory(key, value) }
    if let reading {
      let digests = try reading.finish { try meter.tell() }
      try checkRows(digests)
    }
    try walk(Tables.Contexts.self) { verifier, key, value in try verifier.checkContext(key, value) }
    try walk(Tables.History.self) { verifier, key, value in try verifier.checkHistory(key, value) }
    try checkIndexes()
    try checkWords()
    var blocks = BlockRanges()
    try walk(Tables.Blocks.self) { verifier, key, value in try verifier.checkBlock(key, value, &blocks) }
    for problem in try blocks.problems(rowsHigh: state.rowsHigh, &meter) { report.add(problem) }
    columnsAreMatched = try reader.entryCount(of: Tables.Columns.self) == blocksWithColumns
    try walk(Tables.Columns.self) { verifier, key, value in try verifier.checkColumns(key, value) }
    try checkUnfoundSlots()
    try walk(Tables.Users.self) { verifier, key, value in try verifier.checkUser(key, value) }
    try checkOrphans()
    try walk(Tables.Tokens.self) { verifier, key, value in try verifier.checkToken(key, value) }
    try walk(Tables.Log.self) { verifier, key, value in try verifier.checkLog(key, value) }
    for table in tables where !walked.contains(table.number) { try walkShapes(of: table) }
    try checkCounts()
    try meter.finish()
    return report
  }

  /// Calls `check` on every entry of a table. An error that it throws is reported as a problem, and the walk goes on.
  ///
  /// - Throws: What the receiver of the progress throws.
  mutating func walk<T: Table>(_ table: T.Type, _ check: (inout StoreVerifier, T.EntryKey, RawSpan) throws -> Void) throws {
    walked.insert(table.number)
    var stop: (any Error)?
    do {
      var cursor = try reader.view.cursor(in: reader.schema[table])
      var found = try cursor.first()
      while found {
        let before = report.bytes
        do {
          let value = try cursor.value()
          report.bytes += value.byteCount
          try check(&self, try T.EntryKey(decoding: cursor.key), value)
        } catch {
          if table == Tables.Memories.self, let id = try? MemoryID(decoding: cursor.key) { damagedMemories.insert(id) }
          problem(in: table, error)
        }
        do {
          try meter.add(bytes: report.bytes - before)
        } catch {
          stop = error
          break
        }
        found = try cursor.next()
      }
    } catch {
      report.add("\(table.name) cannot be walked to its end: \(Self.message(of: error))")
    }
    if let stop { throw stop }
  }

  /// Checks only the checksums of a table's entries, and the shapes of their keys and values.
  private mutating func walkShapes<T: Table>(of table: T.Type) throws {
    try walk(table) { verifier, key, value in _ = try table.owner(key, value, secret: verifier.reader.generation.secret) }
  }

  mutating func problem(in table: any Table.Type, _ error: any Error) {
    report.add("\(table.name): \(Self.message(of: error))")
  }

  static func message(of error: any Error) -> String {
    switch error {
    case let error as StoreError:
      error.cause.map { "\(error.message): \(SystemErrorText.text(of: $0))" } ?? error.message
    case let error as RowFileError: StoreError(error).message
    default: SystemErrorText.text(of: error)
    }
  }

  /// Checks the size of the row file; its header was checked when it was opened.
  private mutating func checkRowFile() {
    guard let rows else {
      if state.rowsHigh > 0 { report.add("meta: the state counts \(state.rowsHigh) rows in a store without a dimension") }
      return
    }
    let needed = RowFileHeader.byteCount + state.rowsHigh * rows.header.strideBytes
    do {
      let size = try rows.sizeBytes
      if size < needed { report.add("rows.f32 has \(size) bytes, the state needs \(needed)") }
      readableRows = min(state.rowsHigh, max(0, size - RowFileHeader.byteCount) / rows.header.strideBytes)
    } catch {
      report.add("rows.f32: \(error)")
    }
  }

  /// Looks for the file of codes. The codes themselves are compared with the rows.
  private mutating func checkCodeFile() {
    guard state.codesThrough > 0, let held = reader.generation.codes else { return }
    codes = held.reading(reader, state)
    if held.file() == nil {
      report.add("\(GenerationCodes.fileName) \(held.damage.map { "cannot be used: \(Self.message(of: $0))" } ?? "is missing")")
    }
  }

  /// The number of a user in ``users``; a tally is added if there is none.
  mutating func number(of user: UserKey) -> Int { users.number(of: user, else: Tally(key: user)) }

  /// Reports users of whom something was found, but no record.
  private mutating func checkOrphans() throws {
    for tally in users.elements where !tally.hasRecord {
      try meter.pass()
      // A damaged record was reported when the users were walked.
      if try reader.contains(tally.key, in: Tables.Users.self) { continue }
      report.add(
        "users: the owner of \(tally.memories) memories, \(tally.contexts) contexts and \(tally.liveSlots) live rows has no record")
    }
  }

  private mutating func checkCounts() throws {
    func compare(_ name: String, _ counted: Int, _ found: Int) {
      if counted != found { report.add("meta: the state counts \(counted) \(name), there are \(found)") }
    }
    compare("memories", state.memories, try reader.entryCount(of: Tables.Memories.self))
    compare("contexts", state.contexts, try reader.entryCount(of: Tables.Contexts.self))
    compare("users", state.users, try reader.entryCount(of: Tables.Users.self))
    compare("log entries", state.logCount, try reader.entryCount(of: Tables.Log.self))
    compare("tokens", state.tokens * 2, try reader.entryCount(of: Tables.Tokens.self))
    if damagedMemories.isEmpty { compare("live rows", state.rowsLive, report.rows) }
  }
}

extension StoreVerifier {
  /// Verifies a generation that was just built.
  ///
  /// - Parameter progress: Called now and then; an error that it throws ends the verification.
  /// - Throws: ``StoreError`` `.corrupted` with the first problem.
  static func requireIntact(_ target: Generation, _ progress: @escaping (OperationProgress) throws -> Void) throws {
    let snapshot = try EnvironmentSnapshot(target.environment)
    var verifier = StoreVerifier(RecordReader(snapshot.view, target, now: WallClock.now()))
    let report = try verifier.run(progress)
    if let problem = report.problems.first {
      throw StoreError(.corrupted, "the copy has \(report.problems.count) problems, the first: \(problem)")
    }
  }
}

/// The rows that belong to blocks: no row may belong to two blocks.
struct BlockRanges {
  private var ranges: [(first: Int, end: Int)] = []

  mutating func add(_ block: BlockRecord) { ranges.append((block.firstRow, block.firstRow + block.capacity)) }

  func problems(rowsHigh: Int, _ meter: inout WorkMeter) throws -> [String] {
    let sorted = try ranges.sorted {
      try meter.pass()
      return $0.first < $1.first
    }
    var problems: [String] = []
    var end = 0
    for range in sorted {
      try meter.pass()
      if range.first < end { problems.append("blocks: row \(range.first) belongs to two blocks") }
      end = max(end, range.end)
    }
    if end > rowsHigh { problems.append("blocks: they reach up to row \(end), the state counts \(rowsHigh)") }
    return problems
  }
}
