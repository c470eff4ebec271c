import Foundation
import TestSupport
import Testing

@testable import Engram

/// A place for one test's store. Keep it in a stored property of the suite, so that the files outlive the test.
///
/// An open store reserves two maps of a tebibyte, and a process has 128 tebibytes of addresses on x86-64. So suites that open stores are
/// serialized; otherwise all tests together would need more.
final class ScratchStore: Sendable {
  private let directory = TemporaryDirectory()

  var url: URL { URL(filePath: directory.path("bot.memory"), directoryHint: .isDirectory) }
  var generationPath: String { directory.path("bot.memory/gen-1") }

  /// Opens the store, making it first if it is missing.
  func open(
    dimension: Int? = nil, metric: Metric? = nil, embedder: (any Embedder)? = nil, historyLimit: Int = 16,
    durability: StoreOptions.Durability = .immediate, clock: StoreClock = StoreClock()
  ) async throws -> MemoryStore {
    var options = StoreOptions(
      dimension: dimension, metric: metric, durability: durability, embedder: embedder, historyLimit: historyLimit)
    options.clock = clock
    return try await MemoryStore.open(at: url, options: options)
  }
}

extension SeededGenerator {
  mutating func element<Elements: RandomAccessCollection>(of elements: Elements) -> Elements.Element {
    elements[elements.index(elements.startIndex, offsetBy: Int.random(in: 0..<elements.count, using: &self))]
  }

  /// Small whole numbers: their dot products are exact in 32-bit floats, in any order of summation.
  mutating func wholeVector(_ dimension: Int) -> [Float] {
    (0..<dimension).map { _ in Float(Int.random(in: -8...8, using: &self)) }
  }

  mutating func vector(_ dimension: Int) -> [Float] {
    (0..<dimension).map { _ in Float.random(in: -1...1, using: &self) }
  }

  /// Whole milliseconds between the years 1 and 9999.
  mutating func date() -> Date { Date(milliseconds: Int64.random(in: WallClock.range, using: &self)) }

  mutating func text(_ maximumCount: Int) -> String {
    let alphabet: [Character] = [
      "a", "b", "Z", "0", " ", "é", "e\u{301}", "水", "𐅑", "👩‍👩‍👧", "\u{0}", "\"", "\\", "\n", "%", "_", "/", "\u{202E}",
    ]
    return String((0..<Int.random(in: 0...maximumCount, using: &self)).map { _ in element(of: alphabet) })
  }
}

/// The code of the `StoreError` that `body` throws; nil if it returns. Another error is recorded.
func storeErrorCode(sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void) async -> StoreError.Code? {
  await storeError(sourceLocation: sourceLocation, body)?.code
}

/// The `StoreError` that `body` throws; nil if it returns. Another error is recorded.
func storeError(sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void) async -> StoreError? {
  do {
    try await body()
    return nil
  } catch let error as StoreError {
    return error
  } catch {
    Issue.record("\(error) is no StoreError", sourceLocation: sourceLocation)
    return nil
  }
}

/// Waits until `condition` holds; false when `seconds` have passed.
func eventually(within seconds: Double = 20, _ condition: () throws -> Bool) async rethrows -> Bool {
  let deadline = ContinuousClock.now + .seconds(seconds)
  while try !condition() {
    guard ContinuousClock.now < deadline else { return false }
    await Task.yield()
  }
  return true
}

/// Runs `count` writes, started by `writes`, in one batch: a first one keeps the writer busy until all of them wait.
func writesInOneBatch(_ store: MemoryStore, _ count: Int, _ writes: (inout ThrowingTaskGroup<Void, any Error>) -> Void) async throws {
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask {
      try await store.write { _ in
        let deadline = ContinuousClock.now + .seconds(20)
        while try store.status.queueDepth < count, ContinuousClock.now < deadline {}
      }
    }
    // The first write must be running: a write that is queued before would be in its batch.
    try #require(try await eventually { try store.status.isCommitting })
    writes(&group)
    try await group.waitForAll()
  }
}

/// Lends the bytes as a `RawSpan`, from which records are decoded.
func withRawSpan<Value>(_ bytes: [UInt8], _ body: (RawSpan) throws -> Value) rethrows -> Value {
  let span = bytes.span
  // SAFETY: every byte of an array is initialised, and the array outlives the call.
  return try body(unsafe span.bytes)
}
