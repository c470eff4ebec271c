import Engram
import Synchronization

/// Tasks that write one durable change after the other until they are stopped.
final class WriterCrowd: Sendable {
  private let store: MemoryStore
  private let isStopped = Atomic(false)
  private let written = Atomic(0)
  private let tasks: Mutex<[Task<Waits, Never>]> = Mutex([])
  /// Waits are counted by phase, so that each is compared with its own kind.
  private let phase = Atomic(0)
  private let phases: Mutex<[Int: Waits]> = Mutex([:])

  init(_ store: MemoryStore, count: Int) {
    self.store = store
    tasks.withLock { tasks in
      tasks = (0..<count).map { number in Task { await self.write(number) } }
    }
  }

  /// Writes acknowledged so far.
  var writes: Int { written.load(ordering: .relaxed) }

  /// From now on waits belong to the phase.
  func begin(phase number: Int) { phase.store(number, ordering: .relaxed) }

  /// Ends all writers.
  ///
  /// - Returns: Their waits by phase: that in which a write began.
  func stop() async -> [Int: Waits] {
    isStopped.store(true, ordering: .relaxed)
    for task in tasks.withLock({ $0 }) { _ = await task.value }
    return phases.withLock { $0 }
  }

  private func write(_ number: Int) async -> Waits {
    var generator = Generator(state: UInt64(number))
    var own: [Int: Waits] = [:]
    var count = 0
    while !isStopped.load(ordering: .relaxed) {
      let name = "user-\(Int.random(in: 0..<600, using: &generator))"
      let current = phase.load(ordering: .relaxed)
      // One in eight adds a row, so that both files are flushed.
      let draft = count % 8 == 7 ? MemoryDraft(userID: name, text: "added", embedding: LifecycleData.randomEmbedding(&generator)) : nil
      await own[current, default: Waits()].measure {
        if let draft { _ = try await store.add(draft) } else { try await store.updateContext(for: name, message: "Hi", response: "Hello!") }
      }
      count += 1
      written.add(1, ordering: .relaxed)
    }
    let mine = own
    phases.withLock { phases in
      for (phase, waits) in mine { phases[phase, default: Waits()].merge(waits) }
    }
    return Waits()
  }
}
