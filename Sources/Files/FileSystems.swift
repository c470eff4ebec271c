import CStatfs

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Reports the kind of file system that holds a file or directory.
package enum FileSystems {
  /// The name of the network file system that holds a directory, or nil if the file system is local: LMDB's locks and maps
  /// need one kernel's view of the file.
  package static func networkFileSystemName(of directory: Directory) throws(FileError) -> String? {
    var status = statfs()
    try retrying("statfs", directory.path) { unsafe fstatfs(directory.descriptor, &status) }
    #if canImport(Glibc)
      return networkFileSystemName(ofType: UInt32(truncatingIfNeeded: status.f_type))
    #else
      return status.f_flags & UInt32(MNT_LOCAL) == 0 ? "network" : nil
    #endif
  }

  /// Whether a file is in a tmpfs, where reading a hole through a map allocates a page.
  package static func isInMemory(_ file: borrowing FileHandle) throws(FileError) -> Bool {
    #if canImport(Glibc)
      var status = statfs()
      let descriptor = file.descriptor
      try retrying("statfs", file.path) { unsafe fstatfs(descriptor, &status) }
      return UInt32(truncatingIfNeeded: status.f_type) == 0x0102_1994
    #else
      return false
    #endif
  }

  /// The name of the network file system with this `f_type`; nil for any other type.
  package static func networkFileSystemName(ofType type: UInt32) -> String? { networkNames[type] }

  /// `f_type` of the network file systems of Linux (linux/magic.h and the file systems' own headers).
  private static let networkNames: [UInt32: String] = [
    0x6969: "NFS", 0x517B: "SMB", 0xFE53_4D42: "SMB2", 0xFF53_4D42: "CIFS", 0x0102_1997: "9P", 0x00C3_6400: "Ceph",
    0x5346_414F: "AFS", 0x7375_7245: "Coda", 0x6B41_4653: "kAFS", 0x0BD0_0BD0: "Lustre", 0x4750_4653: "GPFS",
    0x7461_636F: "OCFS2", 0x0116_1970: "GFS2",
  ]
}

/// Identifies the current boot of the machine, and this process in it.
package enum MachineIdentity {
  /// A text that changes with every boot; nil if the system does not report it.
  package static func bootID() -> String? {
    guard let file = try? FileHandle(path: "/proc/sys/kernel/random/boot_id", access: .read),
      let bytes = try? file.read(count: 36, at: 0), bytes.count == 36
    else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Milliseconds since the machine was started, sleep included. Setting the time of day does not change it.
  package static func bootMilliseconds() -> Int64 {
    var time = timespec()
    #if canImport(Glibc)
      let clock = CLOCK_BOOTTIME
    #else
      // On Darwin, this clock continues during sleep.
      let clock = CLOCK_MONOTONIC
    #endif
    // The clock exists, so that the call does not fail.
    _ = unsafe clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }

  /// The process's pid namespace, as `pid:[inode]`; nil if the system has none.
  package static func processNamespace() -> String? {
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
      // SAFETY: readlink writes at most the given 64 bytes and returns how many.
      count = unsafe max(0, buffer.withMemoryRebound(to: CChar.self) { unsafe readlink("/proc/self/ns/pid", $0.baseAddress!, $0.count) })
    }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }

  package static var processID: Int32 { getpid() }
  package static var userID: UInt32 { geteuid() }
}
