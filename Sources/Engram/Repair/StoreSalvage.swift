import LMDB
import VectorSearch

/// Stores the sound records of one commit in a ``RepairStage``, and reports the damaged ones. Used by one thread, once.
final class StoreSalvage {
  let plan: RepairPlan
  let notes: RepairNotes
  private let progress: (OperationProgress) throws -> Void
  private let rows: DamagedRows?
  var damage = Damage()
  var touched = TouchedRecords()
  private(set) var versions = 0
  private(set) var tokens = 0

  /// Damaged entries of the trees. The commit before the last one may still have them.
  struct Damage {
    /// The damaged memories, each with what is wrong with its record.
    var memories: [MemoryID: String] = [:]
    var contexts: [ContextKey: String] = [:]
    var versions: [HistoryKey: String] = [:]
    var tokens = 0
  }

  init(plan: RepairPlan, notes: RepairNotes, progress: @escaping (OperationProgress) throws -> Void) {
    self.plan = plan
    self.notes = notes
    self.progress = progress
    rows = RowFileHeader(plan.store.inGeneration(plan.generation.number)).map {
      DamagedRows(path: plan.generation.rowPath, header: $0, notes)
    }
  }

  func run(_ stage: inout RepairStage) throws {
    let outcome = try readCommit(&stage)
    try stage.flush()
    notes.note(outcome.problems, omitted: outcome.omittedProblems)
    if !outcome.searchedLostPages {
      notes.note("pages that no tree leads to are left out: without a sound free list nothing distinguishes them from deleted ones")
    }
    try fillGaps(&stage)
    try stage.promoteVersions(notes)
    try tellLosses(outcome, &stage)
  }

  func pass(_ commit: DamagedGeneration.Commit) -> SalvagePass {
    SalvagePass(dataPath: plan.generation.dataPath, page: commit.page, progress: progress)
  }

  private func readCommit(_ stage: inout RepairStage) throws -> SalvagePass.Outcome {
    try pass(plan.commit).run(
      visit: { entry, isOrphan in
        let origin: RepairStage.Origin = isOrphan ? .lostPage : .tree
        switch entry {
        case .memory(let record): try stage.add(record.memory, components(of: record), origin)
        case .context(let context): try stage.add(context, origin)
        case .version(let version):
          versions += 1
          try stage.add(version: version)
        case .memoryVersion(let memory, let value):
          versions += 1
          try stage.add(version: memory, value)
        case .token(let token):
          tokens += 1
          try stage.add(token)
        case .log(let sequence, let record):
          touched.entries += 1
          if let earlier = plan.earlier?.state, sequence > earlier.batchSequence { touched.add(record) }
        default: break
        }
      },
      damaged: { entry, problem in add(entry, problem) })
  }

  /// The embedding of a memory; nil if it has none, or if it is damaged, which is reported.
  func components(of record: MemoryRecord) -> [Float]? {
    guard let reference = record.row else { return nil }
    do throws(StoreError) {
      guard let rows else { throw StoreError(.corrupted, "the dimension of its row is not known") }
      return try rows.components(reference)
    } catch {
      notes.lose("memory \(record.memory.id) of '\(record.memory.userID)' has no embedding any more: \(error.message)")
      return nil
    }
  }

  private func add(_ entry: DamagedEntry, _ problem: String) {
    switch entry {
    case .memory(let id): damage.memories[id] = problem
    case .context(let name): damage.contexts[name] = problem
    case .version(let name):
      damage.versions[name] = problem
    case .token:
      damage.tokens += 1
      notes.lose("a token of a write: its record \(problem)")
    case .store: notes.note("the store's own record \(problem)")
    case .state: notes.note("the state record \(problem)")
    case .log: notes.note("log: a record \(problem)")
    case .index(let database): notes.note("\(database): a record \(problem)")
    }
  }
}

/// The records that the last commit changed, according to the log.
struct TouchedRecords {
  struct Context: Hashable {
    let userID: [UInt8]
    let recordType: String
  }

  /// Entries of the whole log.
  var entries = 0
  private(set) var memories: Set<MemoryID> = []
  private(set) var contexts: Set<Context> = []
  /// Whether more was changed than the log holds.
  private(set) var isOverflowing = false

  mutating func add(_ record: LogRecord) {
    if record.operation == .overflow { isOverflowing = true }
    if let id = record.memoryID { memories.insert(id) }
    if let type = record.recordType { contexts.insert(Context(userID: Array(record.userID.utf8), recordType: type)) }
  }

  /// Compared byte by byte: Swift treats differently composed forms of a name as equal.
  func contains(_ context: SalvagedEntry.Context) -> Bool {
    contexts.contains(Context(userID: Array(context.userID.utf8), recordType: context.recordType))
  }
}
