import Files
import LMDB
import VectorSearch

/// Copies the records of one generation into another by inserting them again, while writers go on in the first.
///
/// Users are copied in the order of their keys, some at a time, each from one snapshot; before each step the log is replayed for the
/// users that are copied already. So no snapshot is held for long, and the copy is never far behind the log. The copy counts its records
/// itself: if its counts differ from the source's in the end, the source is damaged.
///
/// All calls come from one thread, as LMDB requires for a write transaction.
struct GenerationCopy: ~Copyable {
  let source: Generation
  let target: Generation
  /// The vectors that replace the source's rows; nil: the rows are copied.
  private let vectors: ReembeddedVectors?
  /// Reports the records that were copied and committed. An error that it throws ends the copy.
  private var meter: WorkMeter
  private var position = Position.start
  /// The source's state in the first step: data that was deleted by then never reaches the copy.
  private var start: StateRecord?
  /// The source's state that all copied users show; nil before the first step.
  private(set) var level: StateRecord?
  private var copied = 0
  private var replayed = 0

  var firstSequence: UInt64 { start?.batchSequence ?? 0 }

  /// How far the walk over the users has come.
  enum Position {
    case start
    /// All users before this user, and the memories of this user up to the position.
    case within(UserKey, TimelinePosition)
    case after(UserKey)
    case end
  }

  /// Bounds of one transaction of the copy, and of what is copied from one snapshot.
  private static let transactionBytes = 8 << 20
  private static let snapshotBytes = 64 << 20

  init(
    from source: Generation, to target: Generation, vectors: ReembeddedVectors? = nil,
    progress: @escaping (OperationProgress) throws -> Void
  ) {
    self.source = source
    self.target = target
    self.vectors = vectors
    // An earlier attempt that failed may have left some.
    vectors?.lacking.removeAll()
    meter = WorkMeter(.copying, total: 0) { step in
      // The thread that resolves a failed commit waits until the copy's snapshot has ended.
      if source.isClosing { throw CopyOutdated() }
      try progress(step)
    }
  }

  /// Copies everything, up to a commit that is as recent as its last step.
  ///
  /// - Throws: ``CopyOutdated``, ``StoreError`` `.corrupted`, `.diskFull`.
  mutating func copyAll() throws {
    repeat { try step(copiesUsers: true) } while !isComplete
  }

  /// Replays what was committed since.
  ///
  /// - Returns: The entries of the log that were replayed.
  @discardableResult
  mutating func catchUp() throws -> Int {
    replayed = 0
    try step(copiesUsers: false)
    return replayed
  }

  /// How many entries of the log the copy has not replayed yet.
  ///
  /// - Returns: Nil if there are more than `limit`.
  /// - Throws: ``CopyOutdated`` if the log does not hold them all.
  func entriesBehind(atMost limit: Int) throws -> Int? {
    let snapshot = try beginStep()
    let reader = RecordReader(snapshot.view, source, now: .min)
    let state = try reader.state()
    guard let level, state.batchSequence != level.batchSequence else { return 0 }
    if state.logFirst > level.batchSequence + 1 { throw CopyOutdated() }
    var count = 0
    try reader.walkKeys(Tables.Log.self, from: .at(LogKey(sequence: level.batchSequence + 1, index: 0))) { _ in
      count += 1
      return count <= limit
    }
    return count <= limit ? count : nil
  }

  private var isComplete: Bool {
    if case .end = position { return true }
    return false
  }

  private mutating func step(copiesUsers: Bool) throws {
    let snapshot = try beginStep()
    // Expired memories are copied, too: the sweep will remove them from the copy.
    let reader = RecordReader(snapshot.view, source, now: .min)
    let state = try reader.state()
    // Superseded by a process that was killed before readers could see it: see ``GenerationSweep``.
    if state.supersededBy > 0 { throw CopyOutdated() }
    if start == nil { start = state }
    try report(state)
    if level?.batchSequence != state.batchSequence { try replay(reader, state) }
    guard copiesUsers else { return }
    var left = Self.snapshotBytes
    while !isComplete, left > 0 || isWithinUser {
      var (next, bytes, count, meter) = (position, Self.transactionBytes, 0, meter)
      try write(state) { transaction in
        try copyUsers(reader, &next, &bytes, &count, &meter, &transaction)
      }
      position = next
      left -= Self.transactionBytes - bytes
      copied += count
      try report(state)
    }
  }

  private func beginStep() throws -> EnvironmentSnapshot {
    do throws(LMDBError) {
      return try EnvironmentSnapshot(source.environment)
    } catch {
      // A commit failed, and the source is opened again.
      if error.isPanic || error.isClosed { throw CopyOutdated() }
      throw error
    }
  }

  private mutating func report(_ state: StateRecord) throws {
    meter.total = max(state.memories + state.contexts, copied)
    try meter.tell(done: copied)
  }

  /// Whether a user is copied in part. All of a user is copied from one snapshot.
  private var isWithinUser: Bool {
    if case .within = position { return true }
    return false
  }

  private func write(_ state: StateRecord, _ body: (inout WriteTransaction) throws -> Void) throws {
    try target.fill(adopting: state) { transaction in
      try body(&transaction)
      // Data that was hidden since the copy began may have been copied before: the next rebuild will remove it.
      transaction.batch.state.pendingErasure = state.pendingErasure > start?.batchSequence ?? 0 ? state.pendingErasure : 0
    }
  }

  // MARK: Users

  private func copyUsers(
    _ reader: RecordReader, _ position: inout Position, _ bytes: inout Int, _ count: inout Int, _ meter: inout WorkMeter,
    _ transaction: inout WriteTransaction
  ) throws {
    var resume: TimelinePosition?
    var start = WalkStart<UserKey>.end
    switch position {
    case .start: break
    case .within(let user, let time): (start, resume) = (.at(user), time)
    case .after(let user): start = .after(user)
    case .end: return
    }
    var isAtEnd = true
    try reader.walk(Tables.Users.self, from: start) { key, value in
      let record = try UserRecord(value)
      if resume == nil {
        count += try ContextCopy(reader).copyAll(of: key, record.userID, &bytes, &transaction)
        transaction.batch.nextRunRows = vectors == nil ? record.rows : record.memories
      }
      var last: TimelinePosition?
      try reader.forEachMemory(of: record.userID, newestFirst: false, after: resume) { memory in
        let versionBytes = try insert(memory, reader, &transaction)
        let memoryBytes =
          versionBytes + memory.memory.text.utf8.count + 512
          + (memory.row == nil && vectors == nil ? 0 : target.rows?.header.strideBytes ?? 0)
        bytes -= memoryBytes
        try meter.pass(bytes: memoryBytes)
        count += 1
        last = bytes > 0 ? nil : TimelinePosition(createdAt: memory.memory.createdAt.milliseconds, id: memory.memory.id)
        return bytes > 0
      }
      transaction.batch.nextRunRows = nil
      resume = nil
      position = last.map { .within(key, $0) } ?? .after(key)
      isAtEnd = last == nil && bytes > 0
      return isAtEnd
    }
    if isAtEnd { position = .end }
  }

  /// Copies a memory with its earlier versions.
  ///
  /// - Returns: The bytes of the versions.
  @discardableResult
  private func insert(_ record: MemoryRecord, _ reader: RecordReader, _ transaction: inout WriteTransaction) throws -> Int {
    if let vectors {
      try transaction.insert(record.memory, try vectors.components(of: record.memory, reader))
    } else if let reference = record.row {
      let row = try reader.row(reference)
      try transaction.insert(record.memory, row.indices.map { row[$0] })
    } else {
      try transaction.insert(record.memory, nil)
    }
    var bytes = 0
    try reader.forEachVersion(of: record.memory) { key, value in
      try transaction.batch.put(.memory(key), unsafe value.withUnsafeBytes { unsafe Array($0) }, in: Tables.History.self)
      bytes += value.byteCount + 128
      return true
    }
    return bytes
  }

  // MARK: The log

  /// Whether the user is copied, so that later changes must be replayed.
  private func isCopied(_ user: UserKey) -> Bool {
    switch position {
    case .start: false
    case .within(let next, _): user < next
    case .after(let last): user < last || user == last
    case .end: true
    }
  }

  /// Brings the copied users, the log and the tokens up to the reader's instant.
  private mutating func replay(_ reader: RecordReader, _ state: StateRecord) throws {
    // The log up to a pending erasure is not copied, because it may name what is erased.
    let first = level.map { $0.batchSequence + 1 } ?? max(state.logFirst, state.pendingErasure + 1)
    if level != nil, state.logFirst > first { throw CopyOutdated() }
    let isFirst = level == nil
    var (count, meter) = (0, meter)
    try write(state) { transaction in
      if isFirst { transaction.batch.state.logFirst = first }
      var changes = LoggedChanges()
      try reader.walk(Tables.Log.self, from: .at(LogKey(sequence: first, index: 0))) { key, value in
        let record = try LogRecord(value)
        if record.operation == .overflow, !isFirst { throw CopyOutdated() }
        if !isFirst, isCopied(reader.userKey(record.userID)) { changes.add(record) }
        try transaction.batch.put(key, unsafe value.withUnsafeBytes { unsafe Array($0) }, in: Tables.Log.self)
        transaction.batch.state.logCount += 1
        count += 1
        try meter.pass(bytes: value.byteCount)
        return true
      }
      try apply(changes, reader, &meter, &transaction)
      try copyTokens(reader, after: isFirst ? 0 : first - 1, &transaction)
    }
    level = state
    replayed = count
  }

  /// The memories and contexts that a part of the log names, each once.
  private struct LoggedChanges {
    struct Context: Hashable {
      let userID: [UInt8]
      let recordType: String
    }

    var memories: Set<MemoryID> = []
    /// Compared byte by byte: Swift treats differently composed forms of a name as equal.
    var contexts: Set<Context> = []

    mutating func add(_ record: LogRecord) {
      if let id = record.memoryID { memories.insert(id) }
      if let type = record.recordType { contexts.insert(Context(userID: Array(record.userID.utf8), recordType: type)) }
    }
  }

  private func apply(
    _ changes: LoggedChanges, _ reader: RecordReader, _ meter: inout WorkMeter, _ transaction: inout WriteTransaction
  ) throws {
    // All removals first: a dedupe key or an id may belong to another memory now.
    for id in changes.memories {
      if let old = try transaction.batch.reader.memoryRecord(id) { try transaction.remove(old) }
      vectors?.lacking.remove(id)
      try meter.pass(bytes: 4096)
    }
    for id in changes.memories.sorted() {
      guard let record = try reader.memoryRecord(id), isCopied(reader.userKey(record.memory.userID)) else { continue }
      try insert(record, reader, &transaction)
      try meter.pass(bytes: 4096)
    }
    for context in changes.contexts {
      try ContextCopy(reader).copy(String(decoding: context.userID, as: UTF8.self), context.recordType, &transaction)
      try meter.pass(bytes: 4096)
    }
  }

  private func copyTokens(_ reader: RecordReader, after sequence: UInt64, _ transaction: inout WriteTransaction) throws {
    let start = TokenKey.order(sequence: sequence + 1, UserKey(high: 0, low: 0))
    try reader.walkKeys(Tables.Tokens.self, prefix: TokenKey.orderPrefix, from: .at(start)) { key in
      guard case .order(_, let hash) = key, let value = try reader.value(.token(hash), in: Tables.Tokens.self) else {
        throw StoreError(.corrupted, "a token is in the order of tokens only")
      }
      let bytes = unsafe value.withUnsafeBytes { unsafe Array($0) }
      try transaction.batch.put(.token(hash), bytes, in: Tables.Tokens.self)
      try transaction.batch.put(key, [], in: Tables.Tokens.self)
      transaction.batch.state.tokens += 1
      return true
    }
  }

  // MARK: Vectors

  /// Embeds the memories that were copied without a vector, from the records of the copy: no other process changes them.
  ///
  /// - Throws: What the embedder throws.
  func embedLacking() throws {
    guard let vectors, let level else { return }
    while !vectors.lacking.isEmpty {
      let ids = vectors.lacking.sorted().prefix(EmbeddingBatch.memories)
      let entries = try vectors.embed(ids, in: target)
      try write(level) { transaction in
        for entry in entries {
          guard let record = try transaction.batch.reader.memoryRecord(entry.id), record.row == nil else { continue }
          try transaction.attach(entry.components, to: record)
        }
      }
      vectors.lacking.subtract(ids)
    }
  }

  // MARK: Codes

  /// Writes the codes of the copied rows, if there are enough of them. Those that are copied later get theirs with their rows.
  ///
  /// - Parameters:
  ///   - least: The least number of rows that get codes.
  ///   - check: Called now and then; an error that it throws ends the copy.
  func encodeRows(ifAtLeast least: Int, check: @escaping () throws -> Void) throws {
    guard let level, level.batchSequence > 0, let build = CodeBuild(target, check: check) else { return }
    // Vectors that are attached later belong to entries of the log after this level.
    try embedLacking()
    do {
      let snapshot = try EnvironmentSnapshot(target.environment)
      let reader = RecordReader(snapshot.view, target, now: .min)
      let state = try reader.state()
      guard state.rowsLive >= least, state.codesThrough == 0 else { return }
      do {
        try build.encodeAll(reader)
      } catch let error as FileError {
        // The copy is complete without codes, which are derived.
        return build.codes.giveUp(error)
      }
    }
    try write(level) { $0.batch.state.codesThrough = level.batchSequence }
  }

  // MARK: The end

  /// The last round: replays the rest of the log, and compares the counts.
  ///
  /// - Returns: The source's state that the copy shows.
  /// - Throws: As ``check()``.
  mutating func finish() throws -> StateRecord {
    try catchUp()
    try embedLacking()
    try pinEmbedder()
    return try check()
  }

  /// An embedder may have been pinned since the copy began.
  private func pinEmbedder() throws {
    let snapshot = try EnvironmentSnapshot(source.environment)
    let pinned = try RecordReader(snapshot.view, source, now: .min).storedRecord()
    guard target.embedder == nil, pinned.embedder != nil else { return }
    target.pin(as: pinned)
    var transaction = try EnvironmentTransaction(target.environment)
    // As it is stored: the copy may have announced features since the target was opened.
    var store = try RecordReader(transaction.view, target, now: .min).storedRecord()
    (store.embedder, store.template) = (pinned.embedder, pinned.template)
    store.features.readOnlyCompatible |= pinned.features.readOnlyCompatible
    try transaction.put(MetaKey.store.encoded, store.encoded(), in: target.schema[Tables.Meta.self])
    try transaction.commit()
  }

  /// Compares the counts of the copy with those of the commit that it shows.
  ///
  /// - Throws: ``StoreError`` `.corrupted`: the source's records contradict its own counts.
  private func check() throws -> StateRecord {
    guard let level else { preconditionFailure("nothing was copied yet") }
    let snapshot = try EnvironmentSnapshot(target.environment)
    let state = try RecordReader(snapshot.view, target, now: .min).state()
    for (name, expected, found) in [
      ("memories", level.memories, state.memories), ("contexts", level.contexts, state.contexts), ("users", level.users, state.users),
      ("rows", vectors == nil ? level.rowsLive : level.memories, state.rowsLive),
      ("commits", Int(clamping: level.batchSequence), Int(clamping: state.batchSequence)),
    ] where expected != found {
      throw StoreError(.corrupted, "the store counts \(expected) \(name), its copy has \(found): verify the store")
    }
    return level
  }
}
