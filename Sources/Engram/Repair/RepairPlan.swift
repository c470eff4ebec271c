import Files
import Foundation
import LMDB
import VectorSearch

/// What a repair reads, and the record of the store that it builds.
struct RepairPlan {
  let generation: DamagedGeneration
  /// The commit that is read.
  let commit: DamagedGeneration.Commit
  let choice: RepairReport.Commit
  /// The commit before, whose records fill the gaps of ``commit``; nil if there is none.
  let earlier: DamagedGeneration.Commit?
  let store: StoreRecord
  let isStoreRecordLost: Bool
  /// The state record of ``commit``, with the counts of its records; nil if it is lost.
  let state: StateRecord?
  /// Number and time of the commit, known or guessed.
  let carried: StateRecord

  init(
    _ generation: DamagedGeneration, usesPrevious: Bool, _ notes: RepairNotes, _ progress: @escaping (OperationProgress) throws -> Void
  ) throws {
    guard let last = generation.last else {
      throw StoreError(.corrupted, "no meta page of \(generation.dataPath) is sound: \(generation.problems.first ?? "")")
    }
    if let reason = generation.reason {
      // The only sound meta page is that of the earlier commit.
      (commit, choice, earlier) = (last, .previous(reason: reason), nil)
    } else if usesPrevious {
      guard let previous = generation.previous else {
        throw StoreError(.corrupted, "the meta page of the commit before the last one is not sound: \(generation.problems.first ?? "")")
      }
      (commit, choice, earlier) = (previous, .previous(reason: "it was asked for"), nil)
    } else {
      (commit, choice, earlier) = (last, .last, generation.previous)
    }
    self.generation = generation
    var lost = LostRecords()
    if commit.store == nil || commit.state == nil {
      try lost.search(SalvagePass(dataPath: generation.dataPath, page: commit.page, progress: progress))
    }
    let others = [generation.last, generation.previous]
    state = commit.state ?? lost.state
    (store, isStoreRecordLost) = Self.store(
      commit.store ?? lost.store ?? others.compactMap { $0?.store }.first, generation, notes)
    carried = Self.carried(state, others.compactMap { $0?.state }, lost, notes)
    if case .previous(let reason) = choice { notes.lose("the commit before the last one was read: \(reason)") }
  }

  private static func store(
    _ found: StoreRecord?, _ generation: DamagedGeneration, _ notes: RepairNotes
  ) -> (store: StoreRecord, isLost: Bool) {
    if let found { return (found, false) }
    let header = RowFileHeader(fileAt: generation.rowPath)
    let what = header.map { "its dimension \($0.dimension) and its identity are those of the row file's header" } ?? "it has no dimension"
    notes.lose("the store's own record is lost: the new store has a new secret and no embedder, \(what)")
    let metric = Metric.allCases.first { $0.rows == header?.metric } ?? .cosine
    let store = StoreRecord(
      storeID: header?.storeID ?? UUID().bytes, generation: 1, dimension: header?.dimension, metric: metric, embedder: nil,
      secret: StoreCreation.randomBytes(192), createdAt: WallClock.now())
    return (store, true)
  }

  private static func carried(
    _ state: StateRecord?, _ others: [StateRecord], _ lost: LostRecords, _ notes: RepairNotes
  ) -> StateRecord {
    if let state { return state }
    var carried = StateRecord()
    carried.batchSequence = max(others.map(\.batchSequence).max() ?? 0, lost.highestSequence)
    carried.lastCommit = others.map(\.lastCommit).max() ?? WallClock.now()
    notes.lose("the state record is lost: how much there was is not known, the last commit is taken for number \(carried.batchSequence)")
    return carried
  }

  /// Records of `meta` that the tree does not lead to, and the highest number of a commit in the log and the tokens.
  private struct LostRecords {
    var store: StoreRecord?
    var state: StateRecord?
    var highestSequence: UInt64 = 0

    mutating func search(_ pass: SalvagePass) throws {
      var found = self
      _ = try pass.run { entry, _ in
        switch entry {
        case .store(let store): found.store = found.store ?? store
        case .state(let state): found.state = found.state ?? state
        case .log(let sequence, _): found.highestSequence = max(found.highestSequence, sequence)
        case .token(let token): found.highestSequence = max(found.highestSequence, token.sequence)
        default: break
        }
      }
      self = found
    }
  }
}

extension RowFileHeader {
  /// Reads the header of a row file; nil if the file is missing or its header is damaged.
  fileprivate init?(fileAt path: FilePlace) {
    guard let file = try? Files.FileHandle(path: path, access: .read), let bytes = try? file.read(count: Self.byteCount, at: 0) else {
      return nil
    }
    self.init(bytes)
    guard Limits.dimension.contains(dimension) else { return nil }
  }
}
