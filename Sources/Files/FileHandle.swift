#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The only owner of one open descriptor, which it closes when it is released.
///
/// Every call retries `EINTR`, carries on after a short transfer and throws ``FileError``. Descriptors are close-on-exec, never follow a
/// symbolic link in the last path component, and are of regular files: a directory is `EISDIR`, a pipe, socket or device `EINVAL`, and
/// none of them blocks.
package struct FileHandle: ~Copyable, Sendable {
  package enum Access: Sendable {
    case read
    case readWrite
    /// Read and write; made with mode 0600 if it is missing.
    case create
    /// Read and write; refused if it exists.
    case createNew
  }

  package let descriptor: Int32
  /// The path or name that it was opened by.
  package let place: FilePlace
  package var path: String { place.path }

  /// - Parameter path: A path, or a name in an open directory.
  package init(path: some FilePlaceConvertible, access: Access) throws(FileError) {
    let place = path.place
    let opened: Int32
    let isNew: Bool
    switch access {
    case .read: (opened, isNew) = (try Self.open(place, O_RDONLY), false)
    case .readWrite: (opened, isNew) = (try Self.open(place, O_RDWR), false)
    case .create: (opened, isNew) = try Self.openOrCreate(place)
    case .createNew: (opened, isNew) = (try Self.open(place, O_RDWR | O_CREAT | O_EXCL), true)
    }
    do throws(FileError) {
      // The mode of a new file must not depend on the umask.
      if isNew { try retrying("fchmod", place.path) { fchmod(opened, 0o600) } } else { try Self.requireRegularFile(opened, place) }
    } catch {
      close(opened)
      throw error
    }
    descriptor = opened
    self.place = place
  }

  /// Opens a directory a second time, to lock it.
  init(_ directory: Directory) throws(FileError) {
    place = directory.place(".")
    descriptor = try Self.open(place, O_RDONLY | O_DIRECTORY)
  }

  deinit { close(descriptor) }

  private static func requireRegularFile(_ descriptor: Int32, _ place: FilePlace) throws(FileError) {
    let status = try FileStatus(descriptor: descriptor, path: place.path)
    guard status.isRegularFile else { throw FileError(errno: status.isDirectory ? EISDIR : EINVAL, call: "open", path: place.path) }
  }

  private static func open(_ place: FilePlace, _ flags: Int32) throws(FileError) -> Int32 {
    // A pipe without a writer would block its opener for ever; regular files do not know the flag.
    let flags = flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
    return try retrying("open", place.path) { unsafe openat(place.anchor, place.name, flags, 0o600) }
  }

  /// Opens the file or creates it, and returns which: only its creator sets the mode. Another process may create or remove it meanwhile.
  private static func openOrCreate(_ place: FilePlace) throws(FileError) -> (descriptor: Int32, isNew: Bool) {
    while true {
      do throws(FileError) {
        return (try open(place, O_RDWR), false)
      } catch {
        if error.errno != ENOENT { throw error }
      }
      do throws(FileError) {
        return (try open(place, O_RDWR | O_CREAT | O_EXCL), true)
      } catch {
        if error.errno != EEXIST { throw error }
      }
    }
  }

  package func status() throws(FileError) -> FileStatus { try FileStatus(descriptor: descriptor, path: path) }

  /// Fills as much of `buffer` as the file has from `offset` on, and returns that count.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
    var done = 0
    while done < buffer.count {
      // SAFETY: `done < count`, so the address lies inside the caller's buffer and the length stays inside it.
      let count = try retrying("pread", path) {
        unsafe pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
      }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// The next at most `count` bytes from `offset`; fewer only at the end of the file.
  package func read(count: Int, at offset: Int) throws(FileError) -> [UInt8] {
    var failure: FileError?
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
      do throws(FileError) {
        // SAFETY: exactly the bytes that pread filled are declared initialised.
        used = unsafe try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// Writes all of `bytes` at `offset`.
  ///
  /// - Throws: ``FileError``; some of the bytes may have been written.
  package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
    var done = 0
    while done < bytes.count {
      // SAFETY: `done < count`, so address and length stay inside the caller's buffer.
      let count = try retrying("pwrite", path) {
        unsafe pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      }
      // A zero-byte transfer would loop for ever; POSIX gives no other code for it.
      if count == 0 { throw FileError(errno: ENOSPC, call: "pwrite", path: path) }
      done += count
    }
  }

  package func write(_ bytes: [UInt8], at offset: Int) throws(FileError) {
    var failure: FileError?
    unsafe bytes.withUnsafeBytes { buffer in
      do throws(FileError) {
        unsafe try write(buffer, at: offset)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  /// Writes zeros from `start` up to `end`: flushing pre-written zeros is faster than flushing `fallocate`d space, and a full
  /// disk shows here, as an error.
  ///
  /// - Parameter partBytes: The bytes of one write. Linux keeps what is written at once in one unit of its cache, as long as it is cached. ext4
  ///   looks at all blocks of a unit for each write into it, and for each flush: small parts for a file that is changed in many places.
  package func writeZeros(from start: Int, to end: Int, partBytes: Int = 1 << 20) throws(FileError) {
    let zeros = [UInt8](repeating: 0, count: min(max(end - start, 0), partBytes))
    var offset = start
    while offset < end {
      let count = min(zeros.count, end - offset)
      var failure: FileError?
      unsafe zeros.withUnsafeBytes { buffer in
        do throws(FileError) {
          unsafe try write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: offset)
        } catch {
          failure = error
        }
      }
      if let failure { throw failure }
      offset += count
    }
  }

  package func truncate(to sizeBytes: Int) throws(FileError) {
    try retrying("ftruncate", path) { ftruncate(descriptor, off_t(sizeBytes)) }
  }

  /// Flushes the file's bytes, and the size they need, to the disk. A failed flush must never be retried: the kernel has
  /// marked the pages clean.
  package func synchronizeData() throws(FileError) {
    #if canImport(Darwin)
      try retrying("fcntl(F_FULLFSYNC)", path) { fcntl(descriptor, F_FULLFSYNC) }
    #else
      if fdatasync(descriptor) != 0 { throw FileError(errno: errno, call: "fdatasync", path: path) }
    #endif
  }

  package func synchronize() throws(FileError) {
    if fsync(descriptor) != 0 { throw FileError(errno: errno, call: "fsync", path: path) }
  }
}
