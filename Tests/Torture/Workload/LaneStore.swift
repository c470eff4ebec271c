import Engram
import Foundation
import Synchronization

/// The store that the lanes of one process have open, with the embedder that it is pinned to at the time.
final class LaneStore: Sendable {
  let url: URL
  private let options: StoreOptions
  private let state: Mutex<State>

  private struct State {
    /// The embedder that the lanes make embeddings with.
    var embedder: LaneEmbedder
    /// The last handle is the one in use. Snapshots and changes may belong to earlier ones.
    var handles: [MemoryStore]
  }

  /// Opens the store, or makes it with the first embedder.
  ///
  /// - Parameter pins: False for a store that no lane has written to: opening it with an embedder would pin it.
  init(_ url: URL, _ options: StoreOptions, pins: Bool = true) async throws {
    (self.url, self.options) = (url, options)
    guard pins else {
      state = Mutex(State(embedder: LaneEmbedder(), handles: [try await MemoryStore.open(at: url, options: options)]))
      return
    }
    let (store, embedder) = try await Self.open(url, options, LaneEmbedder())
    state = Mutex(State(embedder: embedder, handles: [store]))
  }

  /// Opens the store with an embedder, or with the other one if the store is pinned to that.
  private static func open(
    _ url: URL, _ options: StoreOptions, _ embedder: LaneEmbedder
  ) async throws -> (MemoryStore, LaneEmbedder) {
    var options = options
    // Another process may move the store from one to the other in between, and back.
    for attempt in 0... {
      let embedder = attempt.isMultiple(of: 2) ? embedder : embedder.other
      options.embedder = embedder
      do {
        return (try await MemoryStore.open(at: url, options: options), embedder)
      } catch let error as StoreError where error.code == .embedderMismatch && attempt < 9 {}
    }
    preconditionFailure("the last attempt throws")
  }

  var current: (store: MemoryStore, embedder: LaneEmbedder) {
    state.withLock { ($0.handles[$0.handles.count - 1], $0.embedder) }
  }

  var store: MemoryStore { current.store }
  var embedder: LaneEmbedder { current.embedder }

  /// Opens the store again after it has moved to the other embedder.
  func follow() async throws {
    let (store, embedder) = try await Self.open(url, options, current.embedder.other)
    state.withLock {
      $0.handles.append(store)
      $0.embedder = embedder
    }
  }

  /// Moves the store to the other embedder, which this handle has from then on.
  @discardableResult
  func reembed(pauseMilliseconds: Int = 0) async throws -> ReembeddingReport {
    let (store, embedder) = current
    var target = embedder.other
    target.pauseMilliseconds = pauseMilliseconds
    let report = try await store.reembed(with: target)
    state.withLock { $0.embedder = embedder.other }
    return report
  }

  func close() async throws {
    for store in state.withLock({ $0.handles }) { try await store.close() }
  }

  /// Whether a write was refused because the store has moved to another embedder.
  static func hasMoved(_ error: any Error) -> Bool {
    guard let code = (error as? StoreError)?.code else { return false }
    return code == .embedderMismatch || code == .dimensionMismatch
  }
}
