import Formats
import Foundation
import LMDB
import VectorSearch

extension MemoryStore {
  /// Examines one snapshot for questions of retention: how much each user has, what expires, duplicates and near duplicates, and memories
  /// that no search can find.
  ///
  /// Waits for no writer, and writes may go on meanwhile; like every held snapshot it makes the file grow while they do.
  ///
  /// - Parameters:
  ///   - options: Which memories are examined, and how closely.
  ///   - progress: Called now and then with the memories read, then with the pairs compared. See ``OperationProgress``.
  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`, `.notFound` for a user whom the store does not have, `.corrupted`,
  ///   `.closed`, `.tooManyReaders`; `CancellationError` within about a tenth of a second once the task is cancelled.
  /// - Complexity: O(memories in scope) and O(pairs compared × dimension), see ``AuditReport/NearDuplicates``; keeps under 100 bytes for
  ///   each memory and about as many for each user.
  ///   Runs on a thread of its own. Closing the store ends it with `.closed`.
  public func audit(
    _ options: AuditOptions = AuditOptions(), progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> AuditReport {
    try options.check()
    try requireOpen()
    return try await core.background("the store cannot be audited") { _, check in
      try self.read { snapshot in
        try snapshot.read { reader in
          try StoreAudit(reader, options).report(reporting(progress, check), check: check)
        }
      }
    }
  }
}

/// One audit of a snapshot.
struct StoreAudit: ~Escapable {
  let reader: RecordReader
  let rows: RowFile?
  let options: AuditOptions

  @_lifetime(copy reader)
  init(_ reader: RecordReader, _ options: AuditOptions) throws {
    self.reader = reader
    rows = try reader.rows()
    self.options = options
  }

  /// - Parameters:
  ///   - progress: What it throws ends the audit.
  ///   - check: Called now and then while there is no progress to report; what it throws ends the audit, too.
  func report(
    _ progress: @escaping (OperationProgress) throws -> Void, check: @escaping () throws -> Void = {}
  ) throws -> AuditReport {
    let state = try reader.state()
    var meter = WorkMeter(.auditing, total: 0) { _ in try check() }
    var census = try census(state, progress)
    let sameText = try sameText(&census.entries, &meter)
    census.entries.removeAll { $0.row < 0 }
    let sameEmbedding = try sameEmbedding(&census.entries, &meter)
    let constants = rows == nil ? nil : try constants(&census.entries, &meter)
    let nearDuplicates = try rows.map { try self.nearDuplicates(&census, $0, &meter, progress) }
    return AuditReport(
      options: options, asOf: Date(milliseconds: reader.now), batchSequence: state.batchSequence, dimension: reader.store.dimension,
      metric: reader.store.metric,
      memories: census.users.reduce(0) { $0 + $1.memories }, contexts: census.users.reduce(0) { $0 + $1.contexts },
      embeddings: census.users.reduce(0) { $0 + $1.embeddings }, textBytes: census.users.reduce(0) { $0 + $1.textBytes },
      users: try users(census, &meter), times: try times(census),
      sameText: sameText, sameEmbedding: sameEmbedding, nearDuplicates: nearDuplicates,
      unmatched: AuditReport.Unmatched(
        emptyTexts: census.emptyTexts.listing(), withoutEmbedding: rows == nil ? nil : census.withoutEmbedding.listing(),
        zeroEmbeddings: rows == nil ? nil : census.zeroEmbeddings.listing(),
        deadComponents: rows == nil ? nil : deadComponents(census), constants: constants),
      kinds: census.kinds.names(limit: options.limit), metadataKeys: census.metadataKeys.names(limit: options.limit),
      sessions: try census.distinctSessions(&meter))
  }

  // MARK: Reading

  private func census(_ state: StateRecord, _ progress: @escaping (OperationProgress) throws -> Void) throws -> AuditCensus {
    var census = AuditCensus(options, now: reader.now)
    var meter: WorkMeter
    let rowBytes = rows?.header.strideBytes ?? 0
    if let users = reader.users(of: options.scope) {
      var total = 0
      for (key, userID) in users {
        if let user = try reader.user(key, userID) {
          census.add(user, key)
          total += user.memories
        } else if case .user = options.scope {
          throw StoreError(.notFound, "the store has no user '\(userID)'")
        }
      }
      meter = WorkMeter(.auditing, total: total, progress)
      census.entries.reserveCapacity(total)
    } else {
      meter = WorkMeter(.auditing, total: state.memories, progress)
      try reader.walk(Tables.Users.self) { key, value in
        census.add(try UserRecord(value), key)
        try meter.pass()
        return true
      }
      census.entries.reserveCapacity(state.memories)
    }
    try reader.forEachMemory(in: options.scope) { record in
      try add(record, to: &census, state)
      try meter.add(bytes: record.memory.text.utf8.count + rowBytes)
      return true
    }
    try meter.finish()
    return census
  }

  private func add(_ record: MemoryRecord, to census: inout AuditCensus, _ state: StateRecord) throws {
    try census.add(record, of: reader.userKey(record.memory.userID))
    guard let reference = record.row else { return }
    guard let rows, (0..<state.rowsHigh).contains(reference.row) else {
      throw StoreError(.corrupted, "memory \(record.memory.id) names row \(reference.row), which the store does not have")
    }
    try rows.verify(row: reference.row, checksum: reference.checksum)
    census.add(rows.row(reference.row), of: record.memory.id)
  }

  // MARK: Sums

  private func users(_ census: AuditCensus, _ meter: inout WorkMeter) throws -> AuditReport.Users {
    var largest = Ranking<AuditReport.User>(limit: options.limit) { left, right in
      left.memories != right.memories ? left.memories > right.memories : left.userID.precedesInBytes(right.userID)
    }
    for user in census.users {
      try meter.pass()
      largest.insert(
        AuditReport.User(
          userID: try userID(user.key), memories: user.memories, contexts: user.contexts, embeddings: user.embeddings,
          textBytes: user.textBytes))
    }
    let counts = census.users.map(\.memories).filter { $0 > 0 }
    return AuditReport.Users(
      count: census.users.count, memoriesPerUser: Quantiles(counts), withMemories: counts.count, largest: largest.sorted())
  }

  /// Reads the user's record again, so that the userIDs of many users need not be kept in main memory.
  func userID(_ key: UserKey) throws -> String {
    guard let value = try reader.value(key, in: Tables.Users.self) else {
      throw StoreError(.corrupted, "a user's record is missing")
    }
    return try UserRecord(value).userID
  }

  private func times(_ census: AuditCensus) throws -> AuditReport.Times {
    let users = reader.users(of: options.scope).map { Set($0.map(\.key)) }
    return AuditReport.Times(
      oldest: census.oldest.map(Date.init(milliseconds:)), newest: census.newest.map(Date.init(milliseconds:)),
      expired: try reader.expiredCount(users), expiringWithin7Days: census.expiringWithin7Days,
      expiringWithin30Days: census.expiringWithin30Days)
  }

  private func deadComponents(_ census: AuditCensus) -> AuditReport.Listing<Int> {
    let dead = census.deadComponents ?? []
    return AuditReport.Listing(count: dead.count, first: Array(dead.prefix(options.limit)))
  }
}
