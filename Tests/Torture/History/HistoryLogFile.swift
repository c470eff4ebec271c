import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The file that a process of a history writes its events to. It outlives the process, and need not be read meanwhile.
final class HistoryLogFile: Sendable {
  private let file: FileHandle

  /// - Parameter path: A file that does not exist yet: after a kill the last line may be cut short, so no two processes share one.
  init(_ path: String) throws {
    try Data().write(to: URL(fileURLWithPath: path), options: .withoutOverwriting)
    file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    // Lines are appended as a whole, whichever thread writes.
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
    // The last line is empty, or the process was killed while it wrote it.
    lines.removeLast()
    let decoder = JSONDecoder()
    return try lines.map { try decoder.decode(HistoryEvent.self, from: $0) }
  }
}
