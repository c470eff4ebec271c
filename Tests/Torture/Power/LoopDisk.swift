import Foundation
import Glibc
import TestSupport

/// A small ext4 on a loop device, whose power can be cut.
///
/// Nothing of it outlives the process, however that ends: the file behind it has no name, the device detaches itself when no process has
/// it open, and it is mounted where only the mounting thread and its children see it.
final class LoopDisk: Sendable {
  private let device: Int32
  private let devicePath: String

  /// - Parameter directory: Where the file behind the device is made.
  init(in directory: String, megabytes: Int = 256, blockBytes: Int = 4096) throws {
    let path = "\(directory)/power-\(UUID().uuidString)"
    let file = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    try Self.check(file, "open \(path)")
    defer { close(file) }
    unsafe unlink(path)
    try Self.check(ftruncate(file, off_t(megabytes << 20)), "ftruncate")
    try Self.format("/proc/\(ProcessInfo.processInfo.processIdentifier)/fd/\(file)", blockBytes)
    (device, devicePath) = try Self.attach(file, blockBytes)
  }

  deinit { close(device) }

  /// Makes the file system, with a journal of the smallest size, so that recovery is quick.
  private static func format(_ path: String, _ blockBytes: Int) throws {
    let options = "-b \(blockBytes) -m 0 -J size=4 -O ^resize_inode -E lazy_itable_init=1"
    let outcome = try Subprocess.run("/bin/sh", ["-c", "PATH=$PATH:/usr/sbin:/sbin exec mkfs.ext4 -q -F \(options) \(path)"])
    guard outcome.termination == .exited(0) else { throw DiskError(text: "mkfs.ext4 failed: \(outcome.standardError)") }
  }

  // MARK: The device

  /// `struct loop_config`, with the one flag that is set; the rest is zero.
  private struct Configuration {
    static let byteCount = 304
    static let flagsOffset = 8 + 52
    static let clearsItself: UInt32 = 4

    var bytes = [UInt8](repeating: 0, count: byteCount)

    init(file: Int32, blockBytes: Int) {
      set(UInt32(file), at: 0)
      set(UInt32(blockBytes), at: 4)
      set(Self.clearsItself, at: Self.flagsOffset)
    }

    private mutating func set(_ value: UInt32, at offset: Int) {
      for byte in 0..<4 { bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte)) }
    }
  }

  private static let getFree: UInt = 0x4C82
  private static let configure: UInt = 0x4C0A

  private static func attach(_ file: Int32, _ blockBytes: Int) throws -> (descriptor: Int32, path: String) {
    let control = unsafe open("/dev/loop-control", O_RDWR | O_CLOEXEC)
    try check(control, "open /dev/loop-control")
    defer { close(control) }
    // Another process may take the number first.
    for _ in 0..<100 {
      let number = ioctl(control, getFree)
      try check(number, "LOOP_CTL_GET_FREE")
      let path = "/dev/loop\(number)"
      let device = unsafe open(path, O_RDWR | O_CLOEXEC)
      try check(device, "open \(path)")
      var configuration = Configuration(file: file, blockBytes: blockBytes)
      // SAFETY: the kernel reads `byteCount` bytes, which is what the array holds.
      let result = unsafe configuration.bytes.withUnsafeMutableBytes { unsafe ioctl(device, configure, $0.baseAddress!) }
      if result == 0 { return (device, path) }
      let code = errno
      close(device)
      if code != EBUSY { throw DiskError(text: "LOOP_CONFIGURE of \(path): \(unsafe String(cString: strerror(code)))") }
    }
    throw DiskError(text: "no loop device is free")
  }

  // MARK: Mounting

  /// Mounts it for this thread and the processes that it starts, recovering the journal.
  func mount(at path: String) throws {
    try Self.leaveMountsOfOthers()
    try Self.check(unsafe Glibc.mount(devicePath, path, "ext4", 0, nil), "mount of \(devicePath)")
  }

  /// Unmounts it. If it is busy for longer than 0.4 seconds, it is detached, so that it disappears with its last user, and this throws.
  func unmount(_ path: String) throws {
    // Right after the end of a process, its files may not be closed yet.
    for _ in 0..<200 {
      if unsafe umount2(path, 0) == 0 { return }
      guard errno == EBUSY else { break }
      usleep(2000)
    }
    try Self.check(unsafe umount2(path, Int32(MNT_DETACH)), "umount of \(path)")
    throw DiskError(text: "the disk was still in use at its end")
  }

  /// `EXT4_IOC_SHUTDOWN` without a flush of the log: the file system stops at once, and what was not flushed is lost.
  func cutPower(at path: String) throws {
    let root = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    try Self.check(root, "open \(path)")
    defer { close(root) }
    var withoutFlush: UInt32 = 2
    try Self.check(unsafe ioctl(root, 0x8004_587D, &withoutFlush), "EXT4_IOC_SHUTDOWN")
  }

  /// Gives this thread, and the processes that it starts, mounts of its own.
  static func leaveMountsOfOthers() throws {
    typealias Unshare = @convention(c) (Int32) -> Int32
    // SAFETY: a function of the C library, which is loaded; its type is that of unshare(2), which Swift's Glibc leaves out.
    guard let function = unsafe dlsym(dlopen(nil, RTLD_NOW), "unshare") else { throw DiskError(text: "there is no unshare(2)") }
    let unshare = unsafe unsafeBitCast(function, to: Unshare.self)
    let newMounts: Int32 = 0x0002_0000
    try check(unshare(newMounts), "unshare")
    try check(unsafe Glibc.mount("none", "/", nil, UInt(MS_REC | MS_SLAVE), nil), "mount --make-rslave /")
  }

  private static func check(_ result: Int32, _ call: String) throws {
    if result < 0 { throw DiskError(text: "\(call): \(unsafe String(cString: strerror(errno)))") }
  }
}

struct DiskError: Error, CustomStringConvertible {
  let text: String
  var description: String { text }
}
