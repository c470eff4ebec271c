import Files

/// Searches files for patterns, a chunk at a time.
struct ResidueScan {
  static let defaultChunkBytes = 1 << 20
  /// The most occurrences in each file that are reported with their offsets.
  static let firstHits = 8

  private let patterns: PatternSet
  /// A chunk, and the bytes after it that a pattern which begins in it may reach into.
  private var buffer: [UInt8]
  private(set) var files: [ErasureScan.File] = []
  private(set) var notScanned: [ErasureScan.Unscanned] = []

  init(_ patterns: PatternSet, chunkBytes: Int = defaultChunkBytes) {
    precondition(chunkBytes > 0, "a chunk has at least one byte")
    self.patterns = patterns
    buffer = [UInt8](repeating: 0, count: chunkBytes + patterns.longestBytes - 1)
  }

  /// - Parameter progress: Called for each chunk with the bytes read so far; an error that it throws ends the search.
  mutating func run(_ storeFiles: StoreFiles, progress: (OperationProgress) throws -> Void) throws {
    notScanned = storeFiles.others
    let total = storeFiles.readable.reduce(0) { $0 + $1.sizeBytes }
    var done = 0
    for (name, sizeBytes) in storeFiles.readable {
      let before = done
      do {
        files.append(
          try scan(storeFiles.directory.place(name), name: name) { bytes in
            done += bytes
            try progress(.init(phase: .scanning, done: min(done, total), total: total, count: done >> 20))
          })
      } catch let error as FileError where error.isMissing {
        done = before
        notScanned.append(ErasureScan.Unscanned(name: name, sizeBytes: sizeBytes, reason: "it was removed before it could be read"))
      }
    }
    try progress(.init(phase: .scanning, done: total, total: total, count: done >> 20))
  }

  /// Searches one file to its end.
  ///
  /// - Parameter progress: Gets the bytes of each chunk.
  mutating func scan(
    _ path: some FilePlaceConvertible, name: String, progress: (Int) throws -> Void = { _ in }
  ) throws -> ErasureScan.File {
    let file = try FileHandle(path: path, access: .read)
    let sizeBytes = try file.status().sizeBytes
    var hits: [ErasureScan.Kind: Int] = [:]
    var firstHits: [ErasureScan.Hit] = []
    // The buffer holds the file's bytes from offset `start` on; `held` of them are in it before the next read.
    var (start, held) = (0, 0)
    while true {
      let end = held + (try read(file, at: start + held, into: held))
      let isLast = end < buffer.count
      let searched = isLast ? end : end - (patterns.longestBytes - 1)
      patterns.forEachMatch(in: unsafe buffer.span.bytes.extracting(0..<end), startsBelow: searched) { pattern, offset in
        let kind = patterns.kind(of: pattern)
        hits[kind, default: 0] += 1
        if firstHits.count < Self.firstHits { firstHits.append(ErasureScan.Hit(kind: kind, offset: start + offset)) }
      }
      try progress(end - held)
      start += searched
      if isLast { break }
      held = end - searched
      keep(searched..<end)
    }
    return ErasureScan.File(name: name, sizeBytes: sizeBytes, scannedBytes: start, hits: hits, firstHits: firstHits)
  }

  /// Fills the buffer from `offset` on, and returns how many bytes were read; fewer than there is room for only at the end of the file.
  private mutating func read(_ file: borrowing FileHandle, at fileOffset: Int, into offset: Int) throws(FileError) -> Int {
    var outcome = Result<Int, FileError>.success(0)
    unsafe buffer.withUnsafeMutableBytes { buffer in
      do throws(FileError) {
        // SAFETY: the buffer is lent for the call, and `offset` lies inside it.
        outcome = .success(unsafe try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[offset...]), at: fileOffset))
      } catch {
        outcome = .failure(error)
      }
    }
    return try outcome.get()
  }

  /// Moves the bytes that are still to be searched to the beginning of the buffer.
  private mutating func keep(_ range: Range<Int>) {
    unsafe buffer.withUnsafeMutableBytes { buffer in
      // SAFETY: the range lies inside the buffer, and the copy may overlap its source.
      unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[range]))
    }
  }
}
