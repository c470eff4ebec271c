import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The file that a process of a history tells its events to; it outlives the process, and nobody has to read it meanwhile.
final class HistoryLogFile: Sendable {
  private let file: FileHandle

  /// - Parameter path: Of a file that is not there yet: after a kill the last line may be cut short, so no two processes share one.
  init(_ path: String) throws {
    try Data().write(to: URL(fileURLWithPath: path), options: .withoutOverwriting)
    file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    // Whole lines at the end, whichever thread writes.
    _ = fcntl(file.fileDescriptor, F_SETFL, O_APPEND)
  }

  func say(_ event: HistoryEvent) {
    // Plain values cannot fail to encode.
    guard let line = try? JSONEncoder().encode(event) else { return }
    WorkerLog.say(String(decoding: line, as: UTF8.self), to: file.fileDescriptor)
  }

  func violation(_ text: String) { say(.violation(text)) }

  /// - Throws: For a whole line that is not an event.
  static func read(_ path: String) throws -> [HistoryEvent] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    var lines = try Data(contentsOf: URL(fileURLWithPath: path)).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    // Empty, or of a process that was killed while it wrote it.
    lines.removeLast()
    let decoder = JSONDecoder()
    return try lines.map { try decoder.decode(HistoryEvent.self, from: $0) }
  }
}
