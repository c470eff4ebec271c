#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A read-only shared map of a file, reserved far beyond its end, so that growth needs no remap.
///
/// Touching a byte past the end of the file raises SIGBUS: the caller only touches bytes that it knows to be written.
@safe
package struct MemoryMap: ~Copyable, Sendable {
  // SAFETY: the map is read-only and lives until `deinit`; concurrent reads of it are harmless.
  private nonisolated(unsafe) let base: UnsafeRawPointer
  package let reservedBytes: Int

  /// Maps as much address space as the system gives: `preferredBytes`, a quarter of it and so on, never less than `minimumBytes`.
  ///
  /// - Parameter spareBytes: The address space to leave free; see ``AddressSpace/reserveBytes``.
  /// - Throws: ``FileError`` `ENOMEM` if `minimumBytes` and `spareBytes` do not fit.
  package init(_ file: borrowing FileHandle, preferredBytes: Int, minimumBytes: Int, spareBytes: Int = 0) throws(FileError) {
    var length = max(preferredBytes, minimumBytes)
    while true {
      if spareBytes > 0, !AddressSpace.hasRoom(for: length + spareBytes) {
        guard length > minimumBytes else { throw FileError(errno: ENOMEM, call: "mmap", path: file.path) }
        length = max(length / 4, minimumBytes)
        continue
      }
      let address = unsafe mmap(nil, length, PROT_READ, MAP_SHARED | MAP_NORESERVE, file.descriptor, 0)
      if unsafe address != MAP_FAILED, let address = unsafe address {
        unsafe base = UnsafeRawPointer(address)
        reservedBytes = length
        return
      }
      let code = errno
      guard length > minimumBytes else { throw FileError(errno: code, call: "mmap", path: file.path) }
      length = max(length / 4, minimumBytes)
    }
  }

  deinit { unsafe _ = munmap(UnsafeMutableRawPointer(mutating: base), reservedBytes) }

  /// The address of `offset`, for `count` readable bytes. Lives as long as the map.
  package func pointer(at offset: Int, count: Int) -> UnsafeRawPointer {
    precondition(offset >= 0 && count >= 0 && offset <= reservedBytes - count, "the range lies outside the map")
    return unsafe base + offset
  }
}
