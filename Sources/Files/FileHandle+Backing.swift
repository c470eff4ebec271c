import CStatfs

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Disk blocks for mapped bytes. On a full disk, touching a byte without a block raises SIGBUS: on every file system by writing, on tmpfs
/// also by reading.
extension FileHandle {
  /// Allocates blocks for the first `sizeBytes` bytes. Existing bytes stay as they are, new ones are zeros.
  ///
  /// Other processes may have the file mapped meanwhile. (`posix_fallocate` would write if the file system does not know the call, and
  /// could undo what another process writes through a map at that moment.)
  ///
  /// - Parameter keepingSize: If true, the file's size stays, even if blocks beyond its end are allocated. If false, the file is at least
  ///   `sizeBytes` long afterwards.
  /// - Returns: False if the file system cannot do this: nothing has changed.
  /// - Throws: ``FileError`` if there is no room, among others.
  package func allocate(_ sizeBytes: Int, keepingSize: Bool = false) throws(FileError) -> Bool {
    #if canImport(Glibc)
      let keepSize: Int32 = 1
      do throws(FileError) {
        try retrying("fallocate", path) { CStatfs.fallocate(descriptor, keepingSize ? keepSize : 0, 0, sizeBytes) }
        return true
      } catch {
        if [EOPNOTSUPP, ENOSYS, ENODEV].contains(error.errno) { return false }
        throw error
      }
    #else
      return false
    #endif
  }

  /// Where the first run of bytes without data begins: the size of the file if there is none, or if the file system does not report it.
  ///
  /// Allocated blocks that were never written count as a hole, too.
  package func firstHole() throws(FileError) -> Int {
    let size = try status().sizeBytes
    #if canImport(Glibc)
      let seekHole: Int32 = 4
    #else
      let seekHole: Int32 = 3
    #endif
    guard size > 0 else { return 0 }
    do throws(FileError) {
      // This moves the descriptor's position, which nothing uses: all reads and writes give an offset.
      return min(Int(try retrying("lseek", path) { lseek(descriptor, 0, seekHole) }), size)
    } catch {
      if error.errno == EINVAL || error.errno == EOPNOTSUPP || error.errno == ENXIO { return size }
      throw error
    }
  }

  /// Turns copy-on-write off for a new, empty file, so that it is changed in place (btrfs). Otherwise each change takes new blocks, and
  /// those allocated in advance would be no use. File systems that do not know the flag do not need it.
  package func refuseCopyOnWrite() {
    #if canImport(Glibc)
      let (getFlags, setFlags, noCopyOnWrite): (UInt, UInt, CInt) = (0x8008_6601, 0x4008_6602, 0x0080_0000)
      // The kernel reads and writes an int, whatever the number of the call says.
      var flags: CInt = 0
      // SAFETY: the pointer is to a local variable that outlives each call.
      guard unsafe ioctl(descriptor, getFlags, &flags) == 0, flags & noCopyOnWrite == 0 else { return }
      flags |= noCopyOnWrite
      unsafe _ = ioctl(descriptor, setFlags, &flags)
    #endif
  }
}
