import Files
import VectorSearch

/// The byte patterns of the data that is to be erased, and which of them occur in data that stays.
struct ErasurePatterns: Sendable {
  let subject: ErasureSubject
  private let patterns: PatternSet
  private var isShared: [Bool]
  private let unsearchable: [ErasureScan.Kind: Int]

  /// - Parameter list: The patterns that ``TraceCollector`` took, from one snapshot or several.
  init(_ subject: ErasureSubject, _ list: PatternList) {
    self.subject = subject
    patterns = PatternSet(list)
    isShared = [Bool](repeating: false, count: patterns.count)
    unsearchable = list.unsearchable
  }

  /// Takes the patterns from one snapshot.
  ///
  /// - Parameter check: Called now and then; an error that it throws ends the walk.
  init(_ subject: ErasureSubject, _ reader: RecordReader, check: @escaping () throws -> Void = {}) throws {
    var list = PatternList()
    try TraceCollector(reader).collect(subject, into: &list, check: check)
    self.init(subject, list)
  }

  var searched: [ErasureScan.Kind: Int] { patterns.counts { !isShared[$0] } }
  var sharedWithSurvivors: [ErasureScan.Kind: Int] { patterns.counts { isShared[$0] } }

  /// Marks the patterns that occur in data of a snapshot that stays: before the erasure, in data of others; after it, also in data written
  /// since.
  mutating func excludeSurvivors(
    _ reader: RecordReader, progress: @escaping (OperationProgress) throws -> Void = { _ in }
  ) throws {
    guard patterns.count > 0 else { return }
    try SurvivorWalk(reader, without: subject).forEachSpan(progress: progress) { exclude($0) }
  }

  /// Marks the patterns that occur in the bytes: they are no longer searched for.
  mutating func exclude(_ survivor: RawSpan) {
    patterns.forEachMatch(in: survivor) { pattern, _ in isShared[pattern] = true }
  }

  /// Searches every file of a store's directory for the patterns that are not marked.
  ///
  /// Blocks the thread; other threads and processes may use the store meanwhile.
  /// - Throws: ``StoreError`` `.permissionDenied`, `.inputOutput` if a file cannot be read to its end.
  /// - Complexity: O(bytes of all files).
  func scan(
    _ directory: Directory, chunkBytes: Int = ResidueScan.defaultChunkBytes, progress: (OperationProgress) throws -> Void = { _ in }
  ) throws -> ErasureScan {
    let start = ContinuousClock.now
    var scan = ResidueScan(patterns.filtered { !isShared[$0] }, chunkBytes: chunkBytes)
    do {
      try scan.run(try StoreFiles(directory), progress: progress)
    } catch {
      throw StoreError.wrapping(error, "the store's files cannot be searched")
    }
    return ErasureScan(
      files: scan.files, notScanned: scan.notScanned, searched: searched, sharedWithSurvivors: sharedWithSurvivors,
      unsearchable: unsearchable, duration: .now - start)
  }
}
