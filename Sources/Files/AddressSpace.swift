#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The address space that this process may still take, which `ulimit -v` and control groups limit.
package enum AddressSpace {
  /// Every map leaves this much to the heap and to the stacks of threads: a failed allocation ends the process by a signal, a refused map
  /// is only an error.
  package static let reserveBytes = 256 << 20

  /// Whether `byteCount` bytes can be reserved now. Another thread may take them right after.
  ///
  /// - Complexity: Two system calls; no memory is taken, whatever the size.
  package static func hasRoom(for byteCount: Int) -> Bool {
    let address = unsafe mmap(nil, byteCount, PROT_NONE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0)
    guard unsafe address != MAP_FAILED else { return false }
    // SAFETY: mapped above, and nothing has seen the address.
    unsafe munmap(address, byteCount)
    return true
  }
}
