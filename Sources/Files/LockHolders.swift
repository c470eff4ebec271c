#if canImport(Glibc)
  import Glibc
#endif

/// Finds the processes that hold a `flock`, as far as the system reports them.
package enum LockHolders {
  /// The processes that hold a `flock` on the file, in ascending order: on Linux from `/proc/locks`, elsewhere always empty.
  package static func processes(locking place: some FilePlaceConvertible) -> [Int32] {
    guard let status = try? Directories.status(place, followingLinks: true) else { return [] }
    return processes(locking: status.id)
  }

  /// The same for a file that is open.
  package static func processes(locking file: FileID) -> [Int32] {
    #if canImport(Glibc)
      // The split of glibc's gnu_dev_major and gnu_dev_minor, which are macros.
      let device = file.device
      let (major, minor) = ((device >> 8) & 0xFFF | (device >> 32) & ~0xFFF, device & 0xFF | (device >> 12) & ~0xFF)
      var found: Set<Int32> = []
      // The kernel returns the table in pieces, and a change between two pieces may hide a line, so it is read several times.
      for _ in 0..<4 {
        guard let table = try? FileHandle(path: "/proc/locks", access: .read).read(count: 1 << 20, at: 0) else { break }
        found.formUnion(
          processes(in: String(decoding: table, as: UTF8.self), major: major, minor: minor, inode: file.inode))
      }
      return found.sorted()
    #else
      return []
    #endif
  }

  /// Parses lines like `1: FLOCK  ADVISORY  READ 1234 fe:01:5678 0 EOF`, with device numbers in hexadecimal. `->` marks one that waits.
  static func processes(in table: String, major: UInt64, minor: UInt64, inode: UInt64) -> Set<Int32> {
    var found: Set<Int32> = []
    // By bytes: as characters, a carriage return would hide the line's end.
    for line in table.utf8.split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
      guard fields.count >= 6, fields[1] == "FLOCK", let process = Int32(fields[4]), process > 0 else { continue }
      let file = fields[5].split(separator: ":")
      guard file.count == 3, UInt64(file[0], radix: 16) == major, UInt64(file[1], radix: 16) == minor, UInt64(file[2]) == inode else {
        continue
      }
      found.insert(process)
    }
    return found
  }
}
