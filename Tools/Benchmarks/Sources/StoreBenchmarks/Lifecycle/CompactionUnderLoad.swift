import Engram
import Foundation

/// Deletes half of the memories, then compacts the store while other processes read and write.
struct CompactionUnderLoad {
  let url: URL
  let users: Int
  let memtool: String?
  let readers: Int

  private static let writtenUsers = 60

  func run() async throws -> [Row] {
    let store = try await MemoryStore.open(at: url)
    try await deleteHalf(store)
    let untouched = Self.writtenUsers..<users
    let before = try ContentDigest(store, users: untouched)
    let exportBefore = try exported("before", untouched)

    var workers = try (0..<readers).map {
      try WorkerProcess(.reader, url, seed: $0 + 1, users: users, writtenUsers: Self.writtenUsers)
    }
    workers.append(try WorkerProcess(.writer, url, seed: 99, users: users, writtenUsers: Self.writtenUsers))
    try await Task.sleep(for: .seconds(1))
    _ = try mark(workers)
    let old = url.appendingPathComponent("gen-\(try store.status.generation)")
    let (loadBefore, report) = (Machine.load, try await store.compact())
    let during = try mark(workers)
    let released = ContinuousClock.now
    while FileManager.default.fileExists(atPath: old.path), released.duration(to: .now) < .seconds(30) {
      try await Task.sleep(for: .milliseconds(5))
    }
    let following = milliseconds(since: released)
    let isGone = !FileManager.default.fileExists(atPath: old.path)
    let afterwards = try mark(workers)
    try await Task.sleep(for: report.duration)
    let without = try mark(workers)
    let stale = workers.flatMap { worker in
      worker.mappedFiles.filter { !$0.hasPrefix("gen-\(report.generation)/") }.map { "\(worker.role.rawValue): \($0)" }
    }
    for worker in workers { try worker.end() }

    let after = try ContentDigest(store, users: untouched)
    let exportAfter = try exported("after", untouched)
    let verification = try await store.verify()
    try await store.close()
    let errors = (during + afterwards + without).flatMap(\.waits.errors)
    return [
      Row(
        name: "bytes on disk before and after", measured: "\(megabytes(report.bytesBefore)) → \(megabytes(report.bytesAfter)) MB",
        target: "-",
        isReached: true, values: ["before": Double(report.bytesBefore), "after": Double(report.bytesAfter)]),
      Row(
        name: "rows before and after", measured: "\(number(Double(report.rowsBefore))) → \(number(Double(report.rowsAfter)))", target: "-",
        isReached: true, values: ["before": Double(report.rowsBefore), "after": Double(report.rowsAfter)]),
      Row(
        name: "compaction of \(number(Double(report.memories))) memories",
        measured: "\(number(milliseconds(report.duration))) ms, load \(loadBefore)", target: "-", isReached: true,
        values: ["milliseconds": milliseconds(report.duration)]),
      Row(pause: report.writerPause),
    ] + Self.rows("during the compaction", during) + Self.rows("until the old files were gone", afterwards)
      + Self.rows("as long without it", without) + [
        Row(
          name: "the old directory",
          measured: isGone ? "gone \(number(following)) ms later; held at the end by \(report.holders.count)" : "STILL THERE",
          target: "gone", isReached: isGone),
        Row(
          name: "files of other generations that the processes have mapped", measured: "\(stale.count) \(Set(stale).sorted())",
          target: "0", isReached: stale.isEmpty),
        Row(
          name: "digest of \(number(Double(after.memories))) memories nobody wrote", measured: String(after.value, radix: 16),
          target: "as before",
          isReached: before == after),
        Row(
          name: "their lines in the exports", measured: exportAfter.map { String($0, radix: 16) } ?? "no memtool", target: "as before",
          isReached: exportBefore == exportAfter),
        Row(
          name: "verify", measured: "\(verification.problems.count) problems", target: "0 problems", isReached: verification.isIntact),
        Row(name: "errors of all calls", measured: "\(errors.count) \(errors.first ?? "")", target: "0", isReached: errors.isEmpty),
      ]
  }

  private func deleteHalf(_ store: MemoryStore) async throws {
    var memories: [(id: MemoryID, userID: String)] = []
    try store.snapshot().forEachMemory { memory in
      memories.append((memory.id, memory.userID))
      return true
    }
    let half = stride(from: 1, to: memories.count, by: 2).map { memories[$0] }
    for start in stride(from: 0, to: half.count, by: 1000) {
      try await store.write { transaction in
        for (id, userID) in half[start..<min(start + 1000, half.count)] { _ = try transaction.delete(id, for: userID) }
      }
    }
  }

  private func exported(_ name: String, _ users: Range<Int>) throws -> UInt64? {
    guard let memtool else { return nil }
    let file = url.path + "-\(name).jsonl"
    try MemoryBenchmark.run(memtool, ["export", url.path, "-o", file, "--quiet"])
    defer { try? FileManager.default.removeItem(atPath: file) }
    return try ContentDigest.ofExport(file, users: users)
  }

  private struct Told {
    let call: String
    let waits: Waits
  }

  /// The phase's waits of all workers, by kind of call.
  private func mark(_ workers: [WorkerProcess]) throws -> [Told] {
    var all: [String: Waits] = [:]
    for worker in workers {
      for (call, waits) in try worker.mark() { all["\(worker.role.rawValue)'s \(call)", default: Waits()].merge(waits) }
    }
    return all.sorted { $0.key < $1.key }.map { Told(call: $0.key, waits: $0.value) }
  }

  private static func rows(_ phase: String, _ told: [Told]) -> [Row] {
    told.map { Row(name: "longest \($0.call) \(phase)", waits: $0.waits) }
  }
}

extension Row {
  init(pause: Duration) {
    let pause = milliseconds(pause)
    self.init(
      name: "writers' pause", measured: "\(number(pause, digits: 1)) ms", target: "50 ms", isReached: pause < Waits.limit,
      values: ["milliseconds": pause])
  }

  init(name: String, waits: Waits) {
    self.init(
      name: name,
      measured:
        "\(number(waits.longest, digits: 1)) ms (p99 \(number(waits.percentile99, digits: 2)); \(waits.overLimit) over 50 ms of \(number(Double(waits.calls))))",
      target: "50 ms", isReached: waits.longest < Waits.limit,
      values: [
        "longest": waits.longest, "percentile99": waits.percentile99, "over50": Double(waits.overLimit), "calls": Double(waits.calls),
        "errors": Double(waits.errors.count),
      ])
  }
}

func megabytes(_ bytes: Int) -> String { number(Double(bytes) / 1e6, digits: 1) }

enum Machine {
  /// The processes that ran or were ready to run, averaged over a minute.
  static var load: String {
    let text = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? "unknown"
    return text.split(separator: " ").first.map(String.init) ?? text
  }
}
