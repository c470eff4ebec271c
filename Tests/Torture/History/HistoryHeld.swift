import Engram
import Foundation

/// A snapshot that is held while others write, compact and forget: all of it, rows included, is read when it is taken and at the end.
final class HistoryHeld {
  let until: ContinuousClock.Instant
  private let path: String
  private let generation: UInt64
  private let snapshot: MemorySnapshotBox
  /// Its content when it was taken.
  let first: HistorySnapshot

  init(_ store: MemoryStore, _ path: String, id: String, until: ContinuousClock.Instant) throws {
    self.until = until
    self.path = path
    var (generation, requestedAt) = (try store.status.generation, History.now)
    var snapshot = try MemorySnapshotBox(store)
    var takenAt = History.now
    // The generation may change between the two calls. Generations only grow, so one that is the same before and after is the snapshot's.
    while try store.status.generation != generation {
      generation = try store.status.generation
      requestedAt = History.now
      snapshot = try MemorySnapshotBox(store)
      takenAt = History.now
    }
    self.generation = generation
    self.snapshot = snapshot
    first = HistorySnapshot(id: id, requestedAt: requestedAt, takenAt: takenAt, shows: try snapshot.read { try HistoryReader.state($0) })
  }

  /// What is wrong with it now; nil if nothing is.
  func problem() -> String? {
    do {
      let now = try snapshot.read { try HistoryReader.state($0) }
      if now != first.shows { return "the held snapshot \(first.id) changed: \(now) instead of \(first.shows)" }
    } catch {
      return "the held snapshot \(first.id) threw: \(error)"
    }
    return HeldSnapshot.removedFile(ofGeneration: generation, in: path)
      .map { "\($0) was removed under the held snapshot \(first.id) of generation \(generation)" }
  }
}
