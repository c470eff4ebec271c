import Files

/// A file to import, open for as long as the import lasts, so that both passes read the same one.
package final class ImportSource: Sendable {
  /// As messages show it.
  package let name: String
  let file: FileHandle
  let sizeBytes: Int

  /// Opens a regular file, links followed.
  ///
  /// - Returns: Nil where `path` is a pipe or another thing without a size, which has to be spooled.
  /// - Throws: ``StoreError`` `.inputOutput`, `.permissionDenied`.
  package convenience init?(path: String) throws {
    do throws(FileError) {
      let named = try Directories.status(path, followingLinks: true)
      if let named, named.isDirectory { throw FileError(errno: Self.isDirectoryCode, call: "read", path: path) }
      if let named, named.sizeBytes == 0 { return nil }
      // The descriptor itself never follows a link.
      let file = try FileHandle(path: Directories.resolved(path) ?? path, access: .read)
      let size = try file.status().sizeBytes
      self.init(name: path, file: file, sizeBytes: size)
    } catch {
      throw StoreError(.inputOutput, "\(path) cannot be read: \(error.reason)")
    }
  }

  /// Copies what `next` returns, until nil, into a file of mode 0600 that has no name any more: it goes with the process.
  package convenience init(name: String, temporaryDirectory: String, spooling next: () throws -> [UInt8]?) throws {
    let path = "\(temporaryDirectory)/memtool-\(String(UInt64.random(in: .min ... .max), radix: 36))"
    do {
      let file = try FileHandle(path: path, access: .createNew)
      try Directories.removeFile(path)
      var size = 0
      while let bytes = try next() {
        try file.write(bytes, at: size)
        size += bytes.count
      }
      self.init(name: name, file: file, sizeBytes: size)
    } catch {
      throw StoreError.wrapping(error, "\(name) cannot be spooled")
    }
  }

  private init(name: String, file: consuming FileHandle, sizeBytes: Int) {
    self.name = name
    self.file = file
    self.sizeBytes = sizeBytes
  }

  /// EISDIR, on Linux and macOS alike.
  private static let isDirectoryCode: Int32 = 21
}
