import Foundation
import Synchronization
import TestSupport

@testable import Engram

/// A whole import into a store, and the export of what it left.
enum ImportTarget {
  static func run(_ input: [UInt8]) throws {
    let policy = ImportPolicy.allCases[Int(input.first ?? 0) % ImportPolicy.allCases.count]
    let lines = Array(input.dropFirst())
    try waiting {
      try ScratchFile.write(lines)
      guard let source = try ImportSource(path: ScratchFile.path) else { return }
      let store = try await ImportStore.shared.store()
      let before = try store.status
      let checked = await result { try await store.importLines(from: [source], onConflict: policy, isDryRun: true) }
      let imported = await result { try await store.importLines(from: [source], onConflict: policy) }
      switch (checked, imported) {
      case (.failure, .failure):
        try require(try store.status.batchSequence == before.batchSequence, "an import that failed has changed the store")
      case (.success(let planned), .success(let done)):
        try require(planned == done, "a dry run promises \(planned), the import does \(done)")
        await ImportStore.shared.discard()
        try await check(store, done)
        try await store.close()
      default: throw FuzzViolation(description: "a dry run says \(checked), the import \(imported)")
      }
    }
  }

  /// What was accepted is exported, imported into another store, and exported as the same bytes; nothing is wrong with the store.
  private static func check(_ store: MemoryStore, _ summary: ImportSummary) async throws {
    let report: VerificationReport
    do {
      report = try await store.verify(deep: true)
    } catch {
      throw FuzzViolation(description: "the store cannot be verified: \(error)")
    }
    try require(report.problems.isEmpty, "the store that was imported into is damaged: \(report.problems)")
    var text: [UInt8] = []
    let exported = try must("what was imported cannot be exported") { try store.exportLines(into: { text += $0 }) }
    try require(exported.memories <= summary.memories + summary.replaced, "\(exported) is more than \(summary)")
    try ScratchFile.write(text)
    guard let source = try ImportSource(path: ScratchFile.path) else { throw FuzzViolation(description: "an export is empty") }
    let second = try await ImportStore.make()
    do {
      _ = try await second.importLines(from: [source], onConflict: .fail)
    } catch {
      throw FuzzViolation(description: "an export is not imported: \(error)")
    }
    var again: [UInt8] = []
    _ = try second.exportLines(into: { again += $0 })
    try require(again == text, "an export and its import change the store")
    try await second.close()
  }

  private static func result<Value: Sendable>(_ body: @Sendable () async throws -> Value) async -> Result<Value, any Error> {
    do {
      return .success(try await body())
    } catch {
      return .failure(error)
    }
  }

  /// libFuzzer calls on a thread of its own, which is no task.
  private static func waiting(_ body: @escaping @Sendable () async throws -> Void) throws {
    let finished = DispatchSemaphore(value: 0)
    let outcome = Outcome()
    Task {
      let result = await result(body)
      outcome.value.withLock { $0 = result }
      finished.signal()
    }
    finished.wait()
    try outcome.value.withLock { $0 }.get()
  }

  private final class Outcome: Sendable {
    let value = Mutex<Result<Void, any Error>>(.success(()))
  }
}

/// An empty store, kept until an input has changed it.
private actor ImportStore {
  static let shared = ImportStore()
  private static let directory = TemporaryDirectory()
  private static let number = Atomic(0)

  private var current: MemoryStore?

  func store() async throws -> MemoryStore {
    if let current { return current }
    let store = try await Self.make()
    current = store
    return store
  }

  func discard() { current = nil }

  static func make() async throws -> MemoryStore {
    // Two directories in turn: the one of two stores ago is closed.
    let url = URL(fileURLWithPath: directory.path("store-\(number.wrappingAdd(1, ordering: .relaxed).oldValue % 4)"))
    try? FileManager.default.removeItem(at: url)
    let options = StoreOptions(dimension: 4, durability: .eventual(maxDelay: .seconds(60)), snapshotMaxAge: nil)
    return try await MemoryStore.open(at: url, options: options)
  }
}
