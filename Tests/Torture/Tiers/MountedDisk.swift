import Foundation
import TestSupport

/// A small file system of a case's own, part of which is filled at first and freed later.
final class MountedDisk {
  let path: String
  private let isTemporary: Bool
  private let image: String
  private var isMounted = false

  struct Failure: Error {
    let command: String
    let output: String
  }

  init(_ path: String, megabytes: Int, isTemporary: Bool) throws {
    self.path = path
    self.isTemporary = isTemporary
    image = "\(path).image"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    if isTemporary {
      try Self.run("/bin/mount", ["-t", "tmpfs", "-o", "size=\(megabytes)m", "engram-torture", path])
    } else {
      // Half of it is filled, to be freed when room is needed.
      try Self.run("/usr/bin/truncate", ["-s", "\(2 * megabytes + 8)M", image])
      try Self.run("/sbin/mkfs.ext4", ["-q", "-m", "0", image])
      try Self.run("/bin/mount", ["-o", "loop", image, path])
      isMounted = true
      try Self.run("/usr/bin/fallocate", ["-l", "\(megabytes + 4)M", "\(path)/ballast"])
    }
    isMounted = true
  }

  deinit { unmount() }

  func makeRoom() throws {
    if isTemporary {
      try Self.run("/bin/mount", ["-o", "remount,size=64m", path])
    } else {
      try FileManager.default.removeItem(atPath: "\(path)/ballast")
    }
  }

  func unmount() {
    guard isMounted else { return }
    isMounted = false
    // A process that hangs keeps the mount busy: the mount is detached, and disappears with that process.
    if (try? Self.run("/bin/umount", [path])) == nil { try? Self.run("/bin/umount", ["-l", path]) }
  }

  static func run(_ program: String, _ arguments: [String]) throws {
    let outcome = try Subprocess.run(program, arguments)
    guard outcome.termination == .exited(0) else {
      throw Failure(command: ([program] + arguments).joined(separator: " "), output: outcome.standardOutput + outcome.standardError)
    }
  }
}
