package import Foundation
import LMDB
import Synchronization
import VectorSearch

extension MemoryStore {
  /// Reads everything in one snapshot and compares it with everything else: the checksum of every value and every row; the records with
  /// their rows, blocks, columns, timeline, expiry and dedupe entries in both directions; all counts.
  ///
  /// Waits for nobody, and other processes may write meanwhile. Rows are read, not mapped: a bad sector is a problem in the report.
  /// - Parameter deep: First reads every page of LMDB's file: that each is used once or free once, in order, within its bounds. Where that
  ///   finds damage the rest is left out, because LMDB would follow it.
  /// - Returns: What was found; damage is a problem in the report, not an error.
  /// - Throws: ``StoreError`` `.closed`, `.tooManyReaders`, `.inputOutput`.
  ///   `CancellationError` within about a tenth of a second once the task is cancelled.
  /// - Complexity: O(size of the store); keeps about a hundred bytes for each memory, twenty for each row, and a few for each user and each block.
  ///   Runs on two threads of its own, one for the rows. Closing the store ends it with `.closed`.
  public func verify(deep: Bool = false) async throws -> VerificationReport { try await verify(deep: deep) { _ in } }

  /// - Parameter progress: Called now and then with the entries seen so far, on the verification's own thread.
  package func verify(
    deep: Bool = false, progress: @escaping @Sendable (OperationProgress) -> Void
  ) async throws -> VerificationReport {
    try requireOpen()
    return try await core.background("the store cannot be verified") { _, check in
      try self.verifyBlocking(deep: deep, check: check, progress: progress)
    }
  }

  /// As ``verify(deep:)``, on the caller's thread, which must be none of the cooperative pool.
  ///
  /// - Parameter check: Called now and then; what it throws ends the verification.
  package func verifyBlocking(
    deep: Bool, check: @escaping @Sendable () throws -> Void = {}, progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) throws -> VerificationReport {
    try read { snapshot in
      var pages: PageReport?
      if deep {
        do {
          pages = try snapshot.generation.pages(check)
        } catch let error as LMDBError where error.isPanic || error.isClosed {
          throw StoreError.wrapping(EnvironmentLost(), "the pages of data.mdb cannot be read")
        } catch {
          throw core.live.surfacing(error, "the pages of data.mdb cannot be read")
        }
        if let pages, !pages.isClean { return VerificationReport(pages) }
      }
      return try snapshot.read { reader in
        var verifier = StoreVerifier(reader)
        if let pages { verifier.report = VerificationReport(pages) }
        return try verifier.run(reporting(progress, check))
      }
    }
  }

  /// Verifies the store at `url`, which may be so damaged that it cannot be opened: a deep verification reads every page before LMDB does.
  ///
  /// - Throws: ``StoreError`` where there is no store, or it cannot be read; damage is a problem in the report. `CancellationError`.
  package static func verify(
    at url: URL, deep: Bool, access: StoreOptions.Access = .readOnly, progress: @escaping @Sendable (OperationProgress) -> Void
  ) async throws -> VerificationReport {
    var options = StoreOptions(access: access, createsIfMissing: false, snapshotMaxAge: nil)
    let walked = Mutex<PageReport?>(nil)
    let stop = StopFlag()
    if deep {
      options.inspectsPages = .init(
        check: { if stop.isSet { throw CancellationError() } }, report: { pages in walked.withLock { $0 = pages } })
    }
    let store: MemoryStore
    do {
      let inspecting = options
      store = try await withTaskCancellationHandler {
        try await open(at: url, options: inspecting)
      } onCancel: {
        stop.set()
      }
    } catch let error as StoreError where error.code == .corrupted {
      return VerificationReport(walked.withLock { $0 }, error)
    }
    do {
      let pages = walked.withLock { $0 }
      // A store that this process has open already was not walked at its opening.
      var report = try await store.verify(deep: deep && pages == nil, progress: progress)
      if let pages { report.count(pages) }
      try await store.close()
      return report
    } catch {
      // The first error is the one to tell.
      try? await store.close()
      throw error
    }
  }
}

/// One pass over all databases of a snapshot.
struct StoreVerifier: ~Escapable {
  let reader: RecordReader
  let rows: RowFile?
  var report = VerificationReport()
  var users = KeyTable<Tally>()
  /// Memories whose own record is damaged: told once, and not again for each entry that names them.
  var damagedMemories: Set<MemoryID> = []
  /// What the entries that name a memory must agree with.
  var memories = KeyTable<MemoryFacts>()
  /// Who names which row.
  var owners = RowOwners()
  /// Blocks that have columns.
  var blocksWithColumns = 0
  /// No entry of columns is without its block, by count.
  var columnsAreMatched = false
  var state = StateRecord()
  /// Rows that lie inside the file.
  private(set) var readableRows = 0
  /// Reports the entries that were seen.
  var meter = WorkMeter(.verifying, total: 0) { _ in }

  /// What the memories and contexts of a user add up to.
  struct Tally: KeyedElement {
    let key: UserKey
    var memories = 0
    var rows = 0
    var contexts = 0
    var liveSlots = 0
    /// The user's own record was met.
    var hasRecord = false
  }

  @_lifetime(copy reader)
  init(_ reader: RecordReader) {
    self.reader = reader
    rows = reader.generation.rows
  }

  /// - Parameter progress: What it throws ends the verification.
  mutating func run(_ progress: @escaping (OperationProgress) throws -> Void) throws -> VerificationReport {
    let schema = reader.schema
    let databases = [
      schema.meta, schema.memories, schema.contexts, schema.history, schema.timeline, schema.blocks, schema.columns, schema.expiry,
      schema.dedupe, schema.users, schema.tokens, schema.log,
    ]
    var total = 0
    for database in databases { total += try reader.view.statistics(of: database).entries }
    meter = WorkMeter(.verifying, total: total, progress)
    do {
      state = try reader.state()
    } catch {
      problem(in: schema.meta, error)
      return report
    }
    checkRowFile()
    let reading = rows.map { RowReading($0, count: readableRows) }
    reading?.begin()
    defer { reading?.cancel() }
    memories.reserve(try reader.view.statistics(of: schema.memories).entries)
    try walk(schema.meta) { verifier, entry in try verifier.checkMeta(entry) }
    try walk(schema.memories) { verifier, entry in try verifier.checkMemory(entry) }
    if let reading {
      let digests = try reading.finish { try meter.tell() }
      try checkRows(digests)
    }
    try walk(schema.contexts) { verifier, entry in try verifier.checkContext(entry) }
    try walk(schema.history) { verifier, entry in try verifier.checkHistory(entry) }
    try walk(schema.timeline) { verifier, entry in try verifier.checkTimeline(entry) }
    var blocks = BlockRanges()
    try walk(schema.blocks) { verifier, entry in try verifier.checkBlock(entry, &blocks) }
    for problem in try blocks.problems(rowsHigh: state.rowsHigh, &meter) { report.add(problem) }
    columnsAreMatched = try reader.view.statistics(of: schema.columns).entries == blocksWithColumns
    try walk(schema.columns) { verifier, entry in try verifier.checkColumns(entry) }
    try walk(schema.expiry) { verifier, entry in try verifier.checkExpiry(entry) }
    try walk(schema.dedupe) { verifier, entry in try verifier.checkDedupe(entry) }
    try checkWhatWasNotFound()
    try walk(schema.users) { verifier, entry in try verifier.checkUser(entry) }
    try checkOrphans()
    try walk(schema.tokens) { verifier, entry in try verifier.checkToken(entry) }
    try walk(schema.log) { verifier, entry in try verifier.checkLog(entry) }
    try checkCounts()
    try meter.finish()
    return report
  }

  /// Calls `check` on every entry of a database; what it throws is a problem, and the walk goes on.
  ///
  /// - Throws: What the receiver of the progress throws.
  private mutating func walk(_ database: Database, _ check: (inout StoreVerifier, StoredEntry) throws -> Void) throws {
    var stop: (any Error)?
    do {
      var cursor = try reader.view.cursor(in: database)
      var found = try cursor.first()
      while found {
        let before = report.bytes
        do {
          let entry = StoredEntry(key: cursor.key, value: try cursor.value())
          report.bytes += entry.value.byteCount
          try check(&self, entry)
        } catch {
          if database.name == reader.schema.memories.name, cursor.key.byteCount == 16 {
            damagedMemories.insert(MemoryID(cursor.key, at: 0))
          }
          problem(in: database, error)
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
      report.add("\(database.name) cannot be walked to its end: \(Self.message(of: error))")
    }
    if let stop { throw stop }
  }

  mutating func problem(in database: Database, _ error: any Error) {
    report.add("\(database.name): \(Self.message(of: error))")
  }

  static func message(of error: any Error) -> String {
    switch error {
    case let error as StoreError:
      error.cause.map { "\(error.message): \($0)" } ?? error.message
    case let error as RowFileError: StoreError(error).message
    default: "\(error)"
    }
  }

  /// What the row file itself must be; its header was checked when it was opened.
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

  /// The number of a user, who has a tally from now on.
  mutating func number(of user: UserKey) -> Int { users.number(of: user, else: Tally(key: user)) }

  /// The users of whom something was met, but no record.
  private mutating func checkOrphans() throws {
    for tally in users.elements where !tally.hasRecord {
      try meter.pass()
      // A damaged record was told where the users were walked.
      if try reader.view.contains(.user(tally.key), in: reader.schema.users) { continue }
      report.add(
        "users: the owner of \(tally.memories) memories, \(tally.contexts) contexts and \(tally.liveSlots) live rows has no record")
    }
  }

  private mutating func checkCounts() throws {
    func compare(_ name: String, _ counted: Int, _ found: Int) {
      if counted != found { report.add("meta: the state counts \(counted) \(name), there are \(found)") }
    }
    let (view, schema) = (reader.view, reader.schema)
    compare("memories", state.memories, try view.statistics(of: schema.memories).entries)
    compare("contexts", state.contexts, try view.statistics(of: schema.contexts).entries)
    compare("users", state.users, try view.statistics(of: schema.users).entries)
    compare("log entries", state.logCount, try view.statistics(of: schema.log).entries)
    compare("tokens", state.tokens * 2, try view.statistics(of: schema.tokens).entries)
    if damagedMemories.isEmpty { compare("live rows", state.rowsLive, report.rows) }
  }
}

extension StoreVerifier {
  /// Verifies a generation that was just built.
  ///
  /// - Parameter progress: What it throws ends the verification.
  /// - Throws: ``StoreError`` `.corrupted` with the first problem.
  static func requireIntact(_ target: Generation, _ progress: @escaping (OperationProgress) throws -> Void) throws {
    let snapshot = try ReadTransaction(target.environment)
    var verifier = StoreVerifier(RecordReader(snapshot.view, target, now: WallClock.now()))
    let report = try verifier.run(progress)
    if let problem = report.problems.first {
      throw StoreError(.corrupted, "the copy has \(report.problems.count) problems, the first: \(problem)")
    }
  }
}

/// One entry of a database where it lies, its checksum compared and taken off.
struct StoredEntry: ~Escapable {
  let key: RawSpan
  let value: RawSpan

  @_lifetime(copy key, copy value)
  init(key: RawSpan, value: RawSpan) {
    self.key = key
    self.value = value
  }
}

/// The rows that the blocks claim: no two may share one.
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
