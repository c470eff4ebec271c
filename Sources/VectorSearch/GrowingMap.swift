import Files
import Synchronization

/// The map of a file that grows, also by other processes: replaced by a longer one when the file has outgrown it.
///
/// A map is reserved far beyond the end of its file, so it is replaced only if the system gives little address space. Addresses in an
/// earlier map stay valid, because all maps live as long as this object.
@safe
final class GrowingMap: Sendable {
  private final class Part: Sendable {
    let map: MemoryMap
    init(_ map: consuming MemoryMap) { self.map = map }
  }

  /// The longest one last.
  private let parts: Mutex<[Part]>
  // SAFETY: the address of the longest map, which lives as long as `parts`.
  private nonisolated(unsafe) let base: Atomic<UnsafeRawPointer>
  /// Written after `base`: a reader that sees a length sees the map of that length, or a longer one.
  private let length: Atomic<Int>

  init(_ file: borrowing FileHandle, preferredBytes: Int, minimumBytes: Int) throws(FileError) {
    let part = Part(
      try MemoryMap(
        file, preferredBytes: preferredBytes, minimumBytes: minimumBytes, spareBytes: AddressSpace.reserveBytes))
    parts = Mutex([part])
    // SAFETY: only kept; `pointer(at:count:)` compares each range with the length.
    unsafe base = Atomic(part.map.pointer(at: 0, count: 0))
    length = Atomic(part.map.reservedBytes)
  }

  /// Bytes that can be addressed now.
  var reservedBytes: Int { length.load(ordering: .acquiring) }

  /// Makes `byteCount` bytes addressable.
  ///
  /// - Throws: `FileError` if the system gives no more address space: the map stays as it is.
  func cover(_ byteCount: Int, of file: borrowing FileHandle) throws(FileError) {
    if byteCount <= reservedBytes { return }
    let outcome = parts.withLock { parts -> Result<Void, FileError> in
      // Another thread was faster.
      if byteCount <= reservedBytes { return .success(()) }
      do throws(FileError) {
        let part = Part(
          try MemoryMap(
            file, preferredBytes: byteCount * 2, minimumBytes: byteCount, spareBytes: AddressSpace.reserveBytes))
        parts.append(part)
        unsafe base.store(part.map.pointer(at: 0, count: 0), ordering: .relaxed)
        length.store(part.map.reservedBytes, ordering: .releasing)
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    try outcome.get()
  }

  /// The address of `offset`, for `count` bytes, as ``MemoryMap/pointer(at:count:)``. Lives as long as this object.
  func pointer(at offset: Int, count: Int) -> UnsafeRawPointer {
    precondition(offset >= 0 && count >= 0 && offset <= reservedBytes - count, "the range lies outside the map")
    // SAFETY: the length was read before the address, so the map is at least that long.
    return unsafe base.load(ordering: .relaxed) + offset
  }
}
