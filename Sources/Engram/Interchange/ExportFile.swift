import Files

/// A file of an export: mode 0600, and there whole or not at all.
package struct ExportFile: ~Copyable {
  private var file: AtomicFile

  /// - Throws: ``StoreError`` `.inputOutput`, `.permissionDenied`.
  package init(path: String) throws {
    do throws(FileError) {
      file = try AtomicFile(destination: path)
    } catch {
      throw StoreError(error, "the file cannot be made")
    }
  }

  package mutating func append(_ bytes: [UInt8]) throws {
    do throws(FileError) {
      try file.append(bytes)
    } catch {
      throw StoreError(error, "the file cannot be written")
    }
  }

  /// Gives the file its name. Without this call nothing is left of it.
  package mutating func commit() throws {
    do throws(FileError) {
      try file.commit()
    } catch {
      throw StoreError(error, "the file cannot be finished")
    }
  }
}
