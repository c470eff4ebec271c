import Engram
import Foundation
import Synchronization

/// Takes snapshots all the time, on a thread of its own: no snapshot may lack a write of a lane that an earlier one has shown.
final class LaneWatch: Sendable {
  private let store: MemoryStore
  private let lanes: [String]
  private let isOver = Atomic(false)
  private let end = DispatchSemaphore(value: 0)

  init(_ store: MemoryStore, _ lanes: [String]) {
    self.store = store
    self.lanes = lanes
  }

  func start() { Thread { [self] in run() }.start() }

  /// Ends the watch, and waits for the last snapshot.
  func stop() {
    isOver.store(true, ordering: .relaxed)
    end.wait()
  }

  private func run() {
    defer { end.signal() }
    var seen: [String: Int] = [:]
    while !isOver.load(ordering: .relaxed) {
      do {
        let shown = try store.read { snapshot in
          try lanes.map { ($0, try snapshot.context(for: $0)?.conversationsCount ?? 0) }
        }
        for (lane, count) in shown {
          if let before = seen[lane], count < before {
            return WorkerLog.say(
              WorkerEvent.violation("a snapshot shows \(count) writes of lane \(lane), an earlier one showed \(before)").line)
          }
          seen[lane] = count
        }
      } catch {
        return WorkerLog.say(WorkerEvent.note("watch ended: \(LaneRunner.code(of: error))").line)
      }
    }
  }
}
