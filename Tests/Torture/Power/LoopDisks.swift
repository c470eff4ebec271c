import Foundation
import Glibc
import Synchronization
import TestSupport

/// The disks of a campaign: used again and again, as many as cases run at a time.
final class LoopDisks: Sendable {
  private let free = Mutex<[LoopDisk]>([])
  private let directory: String
  private let megabytes: Int
  private let blockBytes: Int

  init(_ campaign: Campaign, megabytes: Int = 256, blockBytes: Int = 4096) {
    self.megabytes = megabytes
    self.blockBytes = blockBytes
    // In memory a flush costs nothing, and the cut is one of the file system, whatever is below it.
    directory = unsafe access("/dev/shm", W_OK) == 0 ? "/dev/shm" : campaign.directory
  }

  /// Mounts a disk at `path` while `body` runs.
  func withDisk<Value>(at path: String, _ body: (LoopDisk) throws -> Value) throws -> Value {
    let disk = try free.withLock { $0.popLast() } ?? LoopDisk(in: directory, megabytes: megabytes, blockBytes: blockBytes)
    try disk.mount(at: path)
    let value: Value
    do {
      value = try body(disk)
    } catch {
      // The first error is the one to report, and the disk is not used again.
      try? disk.unmount(path)
      throw error
    }
    try disk.unmount(path)
    free.withLock { $0.append(disk) }
    return value
  }

  /// What is missing; nil if disks can be made and mounted.
  static func obstacle() -> String? {
    if geteuid() != 0 { return "mounting a file system needs root: run it with sudo, or in a container with --privileged" }
    let directory = TemporaryDirectory()
    do {
      let scratch = try Scratch(directory.path)
      defer { scratch.remove() }
      let disk = try LoopDisk(in: scratch.path)
      let place = try Scratch(scratch.path("disk"))
      try disk.mount(at: place.path)
      defer { try? disk.unmount(place.path) }
      try disk.cutPower(at: place.path)
      return nil
    } catch {
      return
        "no ext4 can be mounted on a loop device here (\(error)): mkfs.ext4 and a kernel with loop devices are needed, and in a container --privileged"
    }
  }
}
