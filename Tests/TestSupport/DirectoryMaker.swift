import Foundation

/// The process that made a temporary directory, according to the directory's name: a later process can check whether it still runs.
///
/// A process ID can be reused, so the name has the start of the process, too. It also has the PID namespace, because an ID of another
/// namespace means nothing here.
package struct DirectoryMaker: Sendable, Equatable {
  let namespace: UInt64
  let process: Int32
  let start: UInt64

  /// This process; nil if the system has no /proc: directories of other processes are then not removed.
  package static let own = DirectoryMaker(process: ProcessInfo.processInfo.processIdentifier)

  /// Nil if the process does not exist.
  package init?(process: Int32) {
    guard let namespace = Self.namespace, let start = Self.start(of: process) else { return nil }
    (self.namespace, self.process, self.start) = (namespace, process, start)
  }

  init(namespace: UInt64, process: Int32, start: UInt64) { (self.namespace, self.process, self.start) = (namespace, process, start) }

  /// Nil if the name does not identify its maker.
  init?(directoryName name: Substring) {
    let fields = name.split(separator: "-", omittingEmptySubsequences: false)
    guard fields.count >= 5, fields[0] == "engram", let namespace = UInt64(fields[2]), let process = Int32(fields[3]) else { return nil }
    guard let start = UInt64(fields[4]) else { return nil }
    (self.namespace, self.process, self.start) = (namespace, process, start)
  }

  /// "engram-USE-…": the beginning of the names of this process's temporary directories.
  package static func prefix(_ use: String) -> String {
    guard let own else { return "engram-\(use)" }
    return "engram-\(use)-\(own.namespace)-\(own.process)-\(own.start)"
  }

  /// Whether the process has certainly ended. False if it belongs to another PID namespace.
  var isGone: Bool { namespace == Self.namespace && Self.start(of: process) != start }

  private static let namespace: UInt64? = {
    // "pid:[4026531836]"
    let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")
    return link.flatMap { UInt64($0.filter(\.isNumber)) }
  }()

  /// The start of a process in clock ticks since the machine was started; nil if it does not exist.
  private static func start(of process: Int32) -> UInt64? {
    guard let line = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return nil }
    // The program's name is in parentheses and may contain any character.
    guard let end = line.lastIndex(of: ")") else { return nil }
    let fields = line[line.index(after: end)...].split(separator: " ")
    return fields.count > 19 ? UInt64(fields[19]) : nil
  }
}

extension DirectoryMaker {
  /// The name of an entry that keeps a directory from being removed, because a person will want to look at its contents.
  package static let keepMark = "kept"

  /// Removes the temporary directories of processes that have ended without doing so, because they were killed.
  package static func removeAbandoned(in base: String) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: base)) ?? []
    for name in names where DirectoryMaker(directoryName: name[...])?.isGone ?? false {
      let path = "\(base)/\(name)"
      let attributes = try? FileManager.default.attributesOfItem(atPath: path)
      guard attributes?[.type] as? FileAttributeType == .typeDirectory, attributes?[.ownerAccountID] as? UInt32 == geteuid() else {
        continue
      }
      if FileManager.default.fileExists(atPath: "\(path)/\(keepMark)") { continue }
      unmount(below: path)
      // Another process may be removing it, too. The next process tries again if some of it remains.
      try? FileManager.default.removeItem(atPath: path)
    }
  }

  /// Otherwise a disk that was mounted for a test would be emptied with the directory, and would stay mounted.
  private static func unmount(below path: String) {
    #if os(Linux)
      let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
      let points = mounts.split(separator: "\n").compactMap { $0.split(separator: " ").dropFirst().first.map(String.init) }
      for point in points.reversed() where point.hasPrefix("\(path)/") { _ = unsafe umount2(point, Int32(MNT_DETACH)) }
    #endif
  }
}
