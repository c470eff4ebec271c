import Synchronization

/// The vectors of the chunks of one call, which several threads compute.
final class ChunkResults: Sendable {
  private let vectors: Mutex<[[Float]]>

  init(count: Int) { vectors = Mutex([[Float]](repeating: [], count: count)) }

  func set(_ index: Int, _ result: [Float]) { vectors.withLock { $0[index] = result } }

  /// In the order of the chunks.
  var all: [[Float]] { vectors.withLock { $0 } }
}

/// A flag that the thread of the caller's task sets when the task is cancelled, and that the other threads read.
final class Cancellation: Sendable {
  private let flag = Atomic(false)

  func set() { flag.store(true, ordering: .relaxed) }
  var isSet: Bool { flag.load(ordering: .relaxed) }
}
