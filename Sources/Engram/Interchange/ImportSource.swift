import Files
import Formats
public import Foundation

/// Lines to import. An import reads them twice, so anything other than a regular file is copied first.
///
/// The file stays open as long as this object exists: both passes read the same file, even if it is renamed or removed meanwhile.
public final class ImportSource: Sendable {
  /// The name in messages.
  public let name: String
  let file: Files.FileHandle
  let sizeBytes: Int

  /// Opens a file. A pipe or a device is read to its end first, into a temporary file.
  ///
  /// Blocks the caller. A pipe is read until its other end is closed.
  /// - Parameters:
  ///   - url: Links are followed.
  ///   - name: The name in messages; nil: the path.
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
      throw StoreError(.inputOutput, "\(name) cannot be read: \(SystemErrorText.text(of: error))")
    }
  }

  /// Copies what `next` returns into a temporary file of mode 0600. The file is unlinked at once, so it is gone when the process ends, even
  /// if it is killed.
  ///
  /// Blocks the caller for as long as `next` does.
  /// - Parameters:
  ///   - name: The name in messages.
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
  /// - Returns: Nil if the file has no size, such as a pipe or a device, and has to be spooled.
  /// - Throws: ``StoreError`` `.inputOutput`.
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

  /// Copies what `next` returns, until nil or an empty array, into an unlinked file of mode 0600.
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
