import Engram
import Foundation

/// Compaction and backup of a large store while 64 tasks of this process write.
struct CrowdedStore {
  let home: URL
  let memories: Int
  let rounds: Int

  private static let writers = 64
  /// After this time the writers are stopped, so that a backup that cannot end while they write ends.
  private static let patience = Duration.seconds(60)

  func run() async throws -> [Row] {
    let store = try await MemoryStore.open(
      at: home.appendingPathComponent("crowded"), options: StoreOptions(dimension: LifecycleData.dimension))
    try await LifecycleData(count: memories).fill(store, users: 600)
    var rows: [Row] = []
    for round in 1...rounds { rows += try await compact(store, round) }
    for round in 1...rounds { rows += try await backup(store, round) }
    let verification = try await store.verify()
    rows.append(
      Row(
        name: "verify of the crowded store", measured: "\(verification.problems.count) problems", target: "0 problems",
        isReached: verification.isIntact))
    try await store.close()
    return rows
  }

  private func compact(_ store: MemoryStore, _ round: Int) async throws -> [Row] {
    let crowd = WriterCrowd(store, count: Self.writers)
    try await Task.sleep(for: .seconds(1))
    crowd.begin(phase: 1)
    let before = crowd.writes
    let report = try await store.compact()
    let writes = crowd.writes - before
    crowd.begin(phase: 2)
    try await Task.sleep(for: report.duration)
    let without = crowd.writes - before - writes
    let waits = await crowd.stop()
    var pause = Row(pause: report.writerPause)
    pause.name = "compaction \(round) of \(number(Double(report.memories))), 64 writers: pause"
    let seconds = report.duration / .seconds(1)
    return [
      pause,
      Row(
        name: "compaction \(round): duration and writes meanwhile",
        measured:
          "\(number(seconds, digits: 2)) s, \(number(Double(writes))) (\(number(Double(writes) / seconds)) a second; as long without it \(number(Double(without) / seconds))), load \(Machine.load)",
        target: "-", isReached: true, values: ["seconds": seconds, "writes": Double(writes), "without": Double(without)]),
      Row(name: "compaction \(round): longest write during it", waits: waits[1] ?? Waits()),
      Row(name: "compaction \(round): longest write without it", waits: waits[2] ?? Waits()),
      Self.errors("compaction \(round)", waits),
    ]
  }

  private func backup(_ store: MemoryStore, _ round: Int) async throws -> [Row] {
    let place = home.appendingPathComponent("backup-\(round)")
    let crowd = WriterCrowd(store, count: Self.writers)
    try await Task.sleep(for: .seconds(1))
    crowd.begin(phase: 1)
    let (first, writesBefore) = (try store.snapshot().batchSequence, crowd.writes)
    let watch = Task {
      try await Task.sleep(for: Self.patience)
      _ = await crowd.stop()
    }
    let started = ContinuousClock.now
    let outcome: Result<BackupReport, any Error>
    do { outcome = .success(try await store.backup(to: place)) } catch { outcome = .failure(error) }
    let elapsed = started.duration(to: .now)
    watch.cancel()
    let writes = crowd.writes - writesBefore
    let last = try store.snapshot().batchSequence
    let waits = await crowd.stop()
    guard case .success(let report) = outcome else {
      return [
        Row(
          name: "backup \(round) while 64 tasks write",
          measured: "FAILED after \(number(milliseconds(elapsed))) ms and \(number(Double(writes))) writes: \(outcome)", target: "made",
          isReached: false)
      ]
    }
    let copy = try await MemoryStore.open(at: place)
    let (verification, sequence, found) = (try await copy.verify(), try copy.snapshot().batchSequence, try copy.count())
    try await copy.close()
    return [
      Row(
        name: "backup \(round) while 64 tasks write",
        measured:
          "\(number(elapsed / .seconds(1), digits: 2)) s, \(megabytes(report.sizeBytes)) MB, \(number(Double(report.memories))) memories; \(number(Double(writes))) writes meanwhile, load \(Machine.load)",
        target: "ends while they write", isReached: elapsed < Self.patience,
        values: ["seconds": elapsed / .seconds(1), "bytes": Double(report.sizeBytes), "writes": Double(writes)]),
      Row(
        name: "backup \(round): its commit, and the store's before and after",
        measured: "\(report.batchSequence) in \(first)…\(last); \(last - report.batchSequence) behind", target: "between",
        isReached: (first...last).contains(report.batchSequence) && sequence == report.batchSequence && found == report.memories),
      Row(
        name: "backup \(round): verify of the copy", measured: "\(verification.problems.count) problems", target: "0 problems",
        isReached: verification.isIntact),
      Row(name: "backup \(round): longest write meanwhile", waits: waits[1] ?? Waits()),
      Self.errors("backup \(round)", waits),
    ]
  }

  private static func errors(_ name: String, _ waits: [Int: Waits]) -> Row {
    let errors = waits.values.flatMap(\.errors)
    return Row(
      name: "\(name): failed writes", measured: "\(errors.count) \(errors.first ?? "")", target: "0", isReached: errors.isEmpty)
  }
}
