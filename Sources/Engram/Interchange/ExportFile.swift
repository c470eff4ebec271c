import Files

/// A file of an export, with mode 0600. It appears at its path when it is complete, or not at all.
package struct ExportFile: ~Copyable {
  private var file: AtomicFile

  /// - Parameter store: The store that is exported; `path` must not lie inside it.
  /// - Throws: ``StoreError`` `.invalidArgument` if something other than a regular file exists at `path`, or if it lies inside the store;
  ///   `.inputOutput`, `.permissionDenied`.
  package init(path: String, of store: MemoryStore) throws {
    var refusal: StoreError?
    do throws(FileError) {
      // Renaming would put a file in the place of a link, a pipe or a device such as /dev/null.
      if let status = try Directories.status(path), !status.isRegularFile { refusal = Self.refusal(path, status) }
    } catch {
      throw StoreError(error, "the file cannot be made")
    }
    if let refusal { throw refusal }
    if try store.core.paths.root.contains(path) {
      throw StoreError(.invalidArgument, "\(path) lies inside the store: write the export somewhere else")
    }
    do throws(FileError) {
      file = try AtomicFile(destination: path)
    } catch {
      throw StoreError(error, "the file cannot be made")
    }
  }

  private static func refusal(_ path: String, _ status: FileStatus) -> StoreError {
    let what =
      if status.isDirectory {
        "a directory: name a file in it"
      } else if status.isSymbolicLink {
        "a symbolic link, which is not followed: name the file itself"
      } else {
        "a pipe or a device, which is not written to"
      }
    return StoreError(.invalidArgument, "\(path) is \(what)")
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
