import Foundation
import Synchronization

/// The recordings of a campaign, each made when the first of its cases needs it.
final class Recordings: Sendable {
  private let directory: String
  private let record: @Sendable (_ number: Int, _ file: String) throws -> Void
  private let known = Mutex<[Int: Recording]>([:])

  /// - Parameter record: Runs a workload under the tracer and leaves the recording in a file.
  init(directory: String, record: @escaping @Sendable (_ number: Int, _ file: String) throws -> Void) throws {
    self.directory = directory
    self.record = record
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  deinit { Scratch.remove(directory) }

  func file(_ number: Int) -> String { "\(directory)/\(number)" }

  /// One thread records while the others wait: two runs at a time would only slow each other down.
  func recording(_ number: Int) throws -> Recording {
    try known.withLock { known in
      if let recording = known[number] { return recording }
      try record(number, file(number))
      let recording = try Recording(file: file(number))
      known[number] = recording
      // Cases begin in order, but earlier ones may still need the recording before this one.
      if let old = known.keys.filter({ $0 < number - 1 }).min() {
        known[old] = nil
        Scratch.remove(file(old))
      }
      return recording
    }
  }
}
