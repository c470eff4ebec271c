import Files
public import Foundation

/// Lines to import. An import reads them twice, so what is no regular file is copied first.
///
/// The file stays open for as long as this object lives: both passes read the same one, whatever happens to its name.
public final class ImportSource: Sendable {
  /// As messages show it.
  public let name: String
  let file: Files.FileHandle
  let sizeBytes: Int

  /// Opens a file. A pipe or a device is read to its end first, into a temporary file.
  ///
  /// Blocks the caller; a pipe for as long as its other end is open.
  /// - Parameters:
  ///   - url: Links are followed.
  ///   - name: What messages call it; nil: its path.
  /// - Throws: ``StoreError`` `.invalidArgument` for a URL that is no file URL; `.inputOutput`.
  public static func file(_ url: URL, name: String? = nil) throws -> ImportSource {
    guard url.isFileURL else { throw StoreError(.invalidArgument, "\(url) is not a file URL") }
    let name = name ?? url.path
    if let source = try ImportSource(path: url.path, name: name) { return source }
    do {
      let handle = try FileHandle(forReadingFrom: url)
      return try stream(name: name) { try handle.read(upToCount: 1 << 20).map(Array.init) }
    } catch let error as StoreError {
      throw error
    } catch {
      throw StoreError(.inputOutput, "\(name) cannot be read: \((error as NSError).localizedDescription)")
    }
  }

  /// Copies what `next` returns into a temporary file of mode 0600 that has no name any more: it is gone when the process ends, in any way.
  ///
  /// Blocks the caller for as long as `next` does.
  /// - Parameters:
  ///   - name: What messages call it.
  ///   - directory: Where the file is.
  ///   - next: The next bytes; nil or none at the end. Lines need not end where they do.
  /// - Throws: ``StoreError`` `.inputOutput`, `.diskFull`, `.permissionDenied`; what `next` throws.
  public static func stream(
    name: String, spoolingTo directory: URL = FileManager.default.temporaryDirectory, next: () throws -> [UInt8]?
  ) throws -> ImportSource {
    try ImportSource(name: name, temporaryDirectory: directory.path, spooling: next)
  }

  /// Opens a regular file, links followed.
  ///
  /// - Returns: Nil if `path` is a pipe or another thing without a size, which has to be spooled.
  /// - Throws: ``StoreError`` `.inputOutput`, `.permissionDenied`.
  package convenience init?(path: String, name: String? = nil) throws {
    do throws(FileError) {
      let named = try Directories.status(path, followingLinks: true)
      if let named, named.isDirectory { throw FileError(errno: Self.isDirectoryCode, call: "read", path: path) }
      if let named, named.sizeBytes == 0 { return nil }
      // The descriptor itself never follows a link.
      let file = try Files.FileHandle(path: Directories.resolved(path) ?? path, access: .read)
      let size = try file.status().sizeBytes
      self.init(name: name ?? path, file: file, sizeBytes: size)
    } catch {
      throw StoreError(.inputOutput, "\(name ?? path) cannot be read: \(error.reason)")
    }
  }

  /// Copies what `next` returns, until nil, into a file of mode 0600 that has no name any more: it goes with the process.
  package convenience init(name: String, temporaryDirectory: String, spooling next: () throws -> [UInt8]?) throws {
    let path = "\(temporaryDirectory)/engram-import-\(String(UInt64.random(in: .min ... .max), radix: 36))"
    do {
      let file = try Files.FileHandle(path: path, access: .createNew)
      try Directories.removeFile(path)
      var size = 0
      while let bytes = try next(), !bytes.isEmpty {
        try file.write(bytes, at: size)
        size += bytes.count
      }
      self.init(name: name, file: file, sizeBytes: size)
    } catch {
      throw StoreError.wrapping(error, "\(name) cannot be spooled")
    }
  }

  private init(name: String, file: consuming Files.FileHandle, sizeBytes: Int) {
    self.name = name
    self.file = file
    self.sizeBytes = sizeBytes
  }

  /// EISDIR, on Linux and macOS alike.
  private static let isDirectoryCode: Int32 = 21
}
