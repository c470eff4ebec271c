import Files

/// The files that are mapped to be read, `data.mdb` and `rows.f32`. Files that Engram writes have no holes, but a copy may have some:
/// `cp --sparse=always`, `rsync -S` and `tar -S` turn zeros into holes.
enum MappedFile {
  /// Allocates the blocks that are missing in a file, before it is mapped.
  ///
  /// On tmpfs, reading a hole through a map allocates a block, and raises SIGBUS if the disk is full. On other file systems a block is
  /// allocated when `pwrite` writes to the hole, which returns an error and raises no signal: there a full disk does not prevent the
  /// opening.
  ///
  /// - Throws: `FileError` if there is no room, or if the file must not be written, and reading would need it.
  static func back(_ path: FilePlace, isReadOnly: Bool) throws(FileError) {
    let size: Int
    let isInMemory: Bool
    do {
      let file = try FileHandle(path: path, access: .read)
      isInMemory = try FileSystems.isInMemory(file)
      if isReadOnly, !isInMemory { return }
      size = try file.status().sizeBytes
      if try file.firstHole() == size { return }
    }
    do throws(FileError) {
      _ = try FileHandle(path: path, access: .readWrite).allocate(size)
    } catch {
      if isInMemory || !error.isNoSpace { throw error }
    }
  }
}
