import Files
import Foundation
import Glibc

/// A small file system in which a file takes all blocks but a given number.
struct FillableDisk {
  enum Kind: String, CaseIterable, Sendable {
    case tmpfs
    case ext4With1KiB = "ext4 of 1 KiB"
    case ext4With4KiB = "ext4 of 4 KiB"

    var blockBytes: Int { self == .ext4With1KiB ? 1024 : 4096 }
  }

  static let megabytes = 24

  /// Where it is mounted.
  let path: String
  let kind: Kind
  private var filler: String { "\(path)/filler" }

  /// Leaves exactly so many blocks free, whatever was taken or free before.
  ///
  /// - Returns: Whether that succeeded: the file may itself need a block to record its blocks.
  func leave(blocks: Int) throws -> Bool {
    let file = try Files.FileHandle(path: filler, access: .create)
    // Freed blocks become free when the journal is written.
    try file.synchronize()
    for _ in 0..<24 {
      let surplus = try DiskSpace(of: file).availableBytes / kind.blockBytes - blocks
      let size = try file.status().sizeBytes
      if surplus == 0 { return true }
      if surplus < 0 {
        try file.truncate(to: max(0, size + surplus * kind.blockBytes))
      } else if (try? file.allocate(size + surplus * kind.blockBytes)) != true {
        // A file cannot take all of the room: near the end, half of the rest is tried.
        guard (try? file.allocate(size + max(1, surplus / 2) * kind.blockBytes)) == true else { return false }
      }
      try file.synchronize()
    }
    return false
  }

  /// Whether no block is free.
  var isFull: Bool { get throws { try DiskSpace(of: Directory(path: path)).availableBytes < kind.blockBytes } }

  func makeRoom() throws {
    let file = try Files.FileHandle(path: filler, access: .create)
    try file.truncate(to: 0)
    try file.synchronize()
  }

  /// Removes everything but what the file system itself has there.
  func empty() throws {
    for name in try entries() { try FileManager.default.removeItem(atPath: "\(path)/\(name)") }
  }

  func entries() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path).filter { $0 != "lost+found" } }
}

/// The disks of a campaign, by kind.
struct FillableDisks: Sendable {
  private let small: LoopDisks
  private let large: LoopDisks

  init(_ campaign: Campaign) {
    small = LoopDisks(campaign, megabytes: FillableDisk.megabytes, blockBytes: 1024)
    large = LoopDisks(campaign, megabytes: FillableDisk.megabytes, blockBytes: 4096)
  }

  /// Mounts an empty disk at `path`, for this thread and the processes that it starts, while `body` runs.
  func withDisk<Value>(_ kind: FillableDisk.Kind, at path: String, _ body: (FillableDisk) throws -> Value) throws -> Value {
    let disk = FillableDisk(path: path, kind: kind)
    func emptied() throws -> Value {
      try disk.empty()
      let value = try body(disk)
      try disk.empty()
      return value
    }
    switch kind {
    case .tmpfs:
      try LoopDisk.leaveMountsOfOthers()
      guard unsafe mount("none", path, "tmpfs", 0, "size=\(FillableDisk.megabytes)m,mode=0700") == 0 else {
        throw DiskError(text: "mount of a tmpfs: \(unsafe String(cString: strerror(errno)))")
      }
      // Detached: a process that still has a file open there keeps the file system until it closes the file.
      defer { unsafe _ = umount2(path, Int32(MNT_DETACH)) }
      return try body(disk)
    case .ext4With1KiB: return try small.withDisk(at: path) { _ in try emptied() }
    case .ext4With4KiB: return try large.withDisk(at: path) { _ in try emptied() }
    }
  }
}
