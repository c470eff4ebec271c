/// A file that appears whole or not at all: written beside its destination with mode 0600, flushed, then renamed.
package struct AtomicFile: ~Copyable {
  private let handle: FileHandle
  private let destination: String
  private let temporaryPath: String
  private var offset = 0
  private var isCommitted = false

  package init(destination: String) throws(FileError) {
    self.destination = destination
    let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
    let path = "\(destination).tmp-\(suffix)"
    temporaryPath = path
    handle = try FileHandle(path: path, access: .createNew)
  }

  package mutating func append(_ bytes: [UInt8]) throws(FileError) {
    try handle.write(bytes, at: offset)
    offset += bytes.count
  }

  /// Flushes the bytes, gives the file its name and flushes that. When writing fails, nothing stands under the name that did not before; when only the last
  /// flush of the directory fails, the whole new file may.
  package mutating func commit() throws(FileError) {
    try handle.synchronize()
    try Directories.rename(temporaryPath, to: destination)
    isCommitted = true
  }

  deinit {
    // Nothing to report to: a leftover temporary file is all that a failing unlink leaves.
    if !isCommitted { try? Directories.removeFile(temporaryPath) }
  }
}
