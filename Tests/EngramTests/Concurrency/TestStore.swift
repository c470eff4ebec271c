import Files
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Engram

/// A test's own store, in a temporary directory that is removed with this value.
struct TestStore {
  let directory = TemporaryDirectory()

  var path: String { directory.path("store") }
  var url: URL { URL(fileURLWithPath: path) }

  func open(_ options: StoreOptions = StoreOptions(dimension: 8)) async throws -> MemoryStore {
    try await MemoryStore.open(at: url, options: options)
  }

  /// Eight components that are never all zero.
  static func vector(_ number: Int) -> Embedding { Embedding((0..<8).map { Float((number * 7 + $0 * 13) % 41) + 1 }) }

  static func draft(_ user: String, _ number: Int) -> MemoryDraft {
    MemoryDraft(userID: user, text: "memory \(number)", embedding: vector(number))
  }
}

/// Keeps every rebuild of a store waiting, as the rebuild of another process does, until `end` is called or the value is released.
///
/// A store that stays open builds a missing index within moments: a test of the time before that must delay the build.
final class RebuildHold {
  private var lock: FileLock?

  init(_ store: URL) throws {
    let lock = try FileLock(path: StorePaths(path: store.path).rebuildLock)
    try lock.lock(.exclusive)
    self.lock = consume lock
  }

  func end() { lock = nil }
}

/// Expects a ``StoreError`` of one code, with this holder and this outcome of the write.
func expectCode(
  _ code: StoreError.Code, holder: Int32? = nil, isCommitted: Bool = false, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () async throws -> Void
) async {
  let error = await #expect(throws: StoreError.self, sourceLocation: sourceLocation) { try await body() }
  let message = error.map { "\($0)" } ?? "no error"
  #expect(error?.code == code, "\(message)", sourceLocation: sourceLocation)
  #expect(error?.holder == holder && error?.isCommitted == isCommitted, "\(message)", sourceLocation: sourceLocation)
}

/// Keeps the writer of this process busy until `open` is called, so that everything written meanwhile becomes one batch.
final class WriterGate: Sendable {
  private let opened: DispatchSemaphore
  private let task: Task<Void, any Error>

  init(_ store: MemoryStore) async {
    let opened = DispatchSemaphore(value: 0)
    let (entered, entering) = AsyncStream<Void>.makeStream()
    task = Task {
      try await store.write { _ in
        entering.finish()
        opened.wait()
      }
    }
    self.opened = opened
    for await _ in entered {}
  }

  func open() async throws {
    opened.signal()
    try await task.value
  }
}

/// Waits, without blocking a thread, until `condition` holds.
func waitUntil(
  within limit: Duration = .seconds(20), sourceLocation: SourceLocation = #_sourceLocation, _ condition: () throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + limit
  while try !condition() {
    guard ContinuousClock.now < deadline else {
      Issue.record("what was waited for did not happen within \(limit)", sourceLocation: sourceLocation)
      return
    }
    try await Task.sleep(for: .milliseconds(2))
  }
}

/// Records events in the order in which they happen.
final class Recorder<Value: Sendable>: Sendable {
  private let storage = Mutex<[Value]>([])
  var values: [Value] { storage.withLock { $0 } }
  func append(_ value: Value) { storage.withLock { $0.append(value) } }
}
