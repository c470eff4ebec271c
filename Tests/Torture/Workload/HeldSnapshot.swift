import Engram
import Foundation

/// A snapshot that is held while others write, compact and forget, with a digest of its content when it was taken.
final class HeldSnapshot: Sendable {
  /// Held until the lane has made so many writes.
  let until: Int
  private let path: String
  private let generation: UInt64
  private let snapshot: MemorySnapshotBox
  private let digest: Int

  init(_ store: MemoryStore, _ path: String, until: Int) throws {
    self.until = until
    self.path = path
    var generation = try store.status.generation
    var snapshot = try MemorySnapshotBox(store)
    // The generation may change between the two calls. Generations only grow, so one that is the same before and after is the snapshot's.
    while try store.status.generation != generation {
      generation = try store.status.generation
      snapshot = try MemorySnapshotBox(store)
    }
    (self.generation, self.snapshot) = (generation, snapshot)
    digest = try snapshot.digest()
  }

  /// Reads the whole snapshot again, and reports a violation if it has changed.
  func check() {
    do {
      if try snapshot.digest() != digest { WorkerLog.say(WorkerEvent.violation("a held snapshot changed").line) }
      if let file = Self.removedFile(ofGeneration: generation, in: path) {
        WorkerLog.say(WorkerEvent.violation("\(file) was removed under a held snapshot of generation \(generation)").line)
      }
    } catch let error as StoreError where error.code == .snapshotExpired {
      WorkerLog.say(WorkerEvent.note("snapshot released").line)
    } catch {
      WorkerLog.say(WorkerEvent.violation("a held snapshot threw: \(error)").line)
    }
  }

  /// A file of the generation that this process has open, and that is not in its place any more: renamed with its directory, or removed.
  static func removedFile(ofGeneration number: UInt64, in store: String) -> String? {
    let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    let paths = descriptors.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)") }
    let directory = "\(store)/gen-\(number)"
    return paths.first { $0.hasPrefix("\(directory).") || ($0.hasPrefix("\(directory)/") && $0.hasSuffix(" (deleted)")) }
  }
}

/// Carries a snapshot, which is not `Sendable`, with the lane that holds it.
final class MemorySnapshotBox: @unchecked Sendable {
  // SAFETY of `@unchecked`: only the lane's own task touches it, and never two at once.
  private let snapshot: MemorySnapshot

  init(_ store: MemoryStore) throws { snapshot = try store.snapshot() }

  func read<Value>(_ body: (borrowing MemorySnapshot) throws -> Value) rethrows -> Value { try body(snapshot) }

  /// A hash of every memory with its row, and of every context.
  func digest() throws -> Int {
    var hasher = Hasher()
    try snapshot.forEachMemory { memory in
      hasher.combine(memory)
      if let embedding = try snapshot.embedding(of: memory.id, for: memory.userID) {
        for component in embedding.values { hasher.combine(component.bitPattern) }
        let matches = StoredMemory.matches(embedding, memory)
        if !matches { throw StoreError(.corrupted, "the row of memory \(memory.id) is not that of its text") }
      }
      return true
    }
    var cursor: PageCursor?
    repeat {
      let page = try snapshot.users(after: cursor, limit: 1)
      for user in page {
        hasher.combine(user)
        hasher.combine(try snapshot.context(for: user.userID))
      }
      cursor = page.next
    } while cursor != nil
    return hasher.finalize()
  }
}
