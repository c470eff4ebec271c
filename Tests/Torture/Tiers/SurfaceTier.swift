import Foundation
import Synchronization

/// Lets every system call on files fail once, for each public call: only `StoreError` leaves the library.
struct SurfaceTier: Tier {
  static let name = "surface"
  static let summary = "EIO, ENOSPC, EMFILE, ENOMEM and ENOLCK at every system call of each public call: which errors leave the library"

  static func obstacle() -> String? { Tracing.obstacle() }

  private let walk: SurfaceWalk
  private let points: [SurfaceWalk.Point]
  var caseCount: Int? { points.count }

  init(_ campaign: Campaign) throws {
    let walk = try SurfaceWalk(campaign)
    self.walk = walk
    let found = Mutex<[String: Result<[SurfaceWalk.Point], any Error>]>([:])
    DispatchQueue.concurrentPerform(iterations: walk.calls.count) { index in
      let points = Result { try walk.points(of: walk.calls[index]) }
      found.withLock { $0[walk.calls[index]] = points }
    }
    let results = found.withLock { $0 }
    points = try walk.calls.flatMap { try results[$0]?.get() ?? [] }
  }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome { try walk.run(points[number], in: scratch) }
}
