/// A file that appears whole or not at all: written beside its destination with mode 0600, flushed, then renamed.
package struct AtomicFile: ~Copyable {
  private let handle: FileHandle
  private let destination: FilePlace
  private let temporary: FilePlace
  private var offset = 0
  private var isCommitted = false
  private var isFlushed = false

  package init(destination: some FilePlaceConvertible) throws(FileError) {
    let destination = destination.place
    self.destination = destination
    let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
    let name = "\(destination.name).tmp-\(suffix)"
    let temporary = destination.directory.map { FilePlace(in: $0, name) } ?? FilePlace(name)
    self.temporary = temporary
    handle = try FileHandle(path: temporary, access: .createNew)
  }

  package mutating func append(_ bytes: [UInt8]) throws(FileError) {
    try handle.write(bytes, at: offset)
    offset += bytes.count
  }

  /// Flushes the bytes, renames the file to its destination and flushes the directory.
  ///
  /// - Throws: ``FileError``. The destination is unchanged, unless only the flush of the directory failed: then it may be the new file.
  package mutating func commit() throws(FileError) {
    try flush()
    try Directories.rename(temporary, to: destination)
    isCommitted = true
  }

  /// Flushes the bytes, for a caller that checks something else before ``commit()``. Nothing may be appended afterwards.
  package mutating func flush() throws(FileError) {
    if isFlushed { return }
    try handle.synchronize()
    isFlushed = true
  }

  deinit {
    // Nothing to report to: a leftover temporary file is all that a failing unlink leaves.
    if !isCommitted { try? Directories.removeFile(temporary) }
  }
}
