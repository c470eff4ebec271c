import Files

/// The files that are mapped to be read, `data.mdb` and `rows.f32`. What Engram writes has no holes, but a copy may: `cp --sparse=always`,
/// `rsync -S` and `tar -S` make one of any zeros.
enum MappedFile {
  /// Takes the blocks that are missing in a file, before it is mapped.
  ///
  /// On tmpfs a hole takes a block when it is read through a map, and a full disk is SIGBUS. On other file systems it does when it is written, by
  /// `pwrite`, which is an error and no signal: there a full disk keeps nobody from opening.
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
