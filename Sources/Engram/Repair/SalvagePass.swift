import Files
import LMDB

/// Reads all pages of a commit once: lends the sound entries, and reports the damaged ones.
struct SalvagePass {
  let dataPath: FilePlace
  let page: MetaPage
  let progress: (OperationProgress) throws -> Void

  /// What is known when a pass is over.
  struct Outcome {
    let problems: [String]
    let omittedProblems: Int
    /// Whether the lost pages were searched; false if the free list is damaged, without which they cannot be told from deleted pages.
    let searchedLostPages: Bool
    /// The entries that were recorded for databases of which pages were skipped; nil if the number is lost, too.
    let recordedEntries: [String: Int?]
  }

  /// - Parameters:
  ///   - visit: Called with each sound entry, and whether it comes from a page that no tree leads to any more. Such entries come last.
  ///   - damaged: Called with each damaged entry in the pages of the trees, and with what is wrong with it.
  func run(
    visit: (SalvagedEntry, _ isOrphan: Bool) throws -> Void, damaged: (DamagedEntry, _ problem: String) -> Void = { _, _ in }
  ) throws -> Outcome {
    let file = try Files.FileHandle(path: dataPath, access: .read)
    var meter = Meter(total: try file.status().sizeBytes, progress: progress)
    var salvage = try PageSalvage(
      file, meta: page, databases: Tables.names, optional: Tables.optionalNames, problemLimit: RepairReport.sentenceLimit)
    try salvage.forEachEntry { name, key, stored in
      try meter.add(stored.byteCount)
      guard let value = SalvagedEntry.value(name, key, stored) else {
        damaged(DamagedEntry(name, key), "does not match its checksum")
        return false
      }
      let entry: SalvagedEntry
      do {
        entry = try SalvagedEntry(name, key, value)
      } catch let error as StoreError where error.code == .newerFormat {
        throw error
      } catch {
        damaged(DamagedEntry(name, key), "is wrong in itself: \(StoreVerifier.message(of: error))")
        return true
      }
      try visit(entry, false)
      return true
    }
    let searched = try salvage.forEachOrphan { _, key, stored in
      try meter.add(stored.byteCount)
      guard let name = SalvagedEntry.database(of: key, stored), let value = SalvagedEntry.value(name, key, stored) else { return false }
      // An entry that does not decode is not reported here: the counts will show that it is missing.
      guard let entry = try SalvagedEntry(ifSound: name, key, value) else { return true }
      try visit(entry, true)
      return true
    }
    try meter.finish()
    return Outcome(
      problems: salvage.problems, omittedProblems: salvage.omittedProblemCount, searchedLostPages: searched,
      recordedEntries: salvage.recordedEntries)
  }

  private struct Meter {
    let total: Int
    let progress: (OperationProgress) throws -> Void
    private var entries = 0
    private var bytes = 0
    private var bytesAtReport = 0

    init(total: Int, progress: @escaping (OperationProgress) throws -> Void) {
      self.total = total
      self.progress = progress
    }

    mutating func add(_ byteCount: Int) throws {
      entries += 1
      bytes += byteCount
      guard entries & 1023 == 0 || bytes - bytesAtReport >= 1 << 20 else { return }
      bytesAtReport = bytes
      try progress(.init(phase: .salvaging, done: min(bytes, total), total: total, count: entries))
    }

    /// Reports the end. The bytes of values add up to less than the file, which has free pages and keys as well.
    func finish() throws { try progress(.init(phase: .salvaging, done: total, total: total, count: entries)) }
  }
}
