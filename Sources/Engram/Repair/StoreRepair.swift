import Files
import Foundation
import LMDB
import VectorSearch

/// Builds a new store from the sound records of a damaged one. Blocks: runs on a thread of its own.
///
/// Salvaged records are stored in a generation beside the new one (``RepairStage``), and are copied from there as a backup is. So only
/// damage takes memory: about 16 bytes for each memory that is damaged or that no tree leads to any more, and a bit for each page.
struct StoreRepair {
  let source: String
  let path: String
  let usesPrevious: Bool
  /// Called now and then; an error that it throws ends the repair.
  let progress: (OperationProgress) throws -> Void

  func run() throws -> RepairReport {
    let started = ContinuousClock.now
    try StoreCreation.checkPlace(path)
    let store = try DamagedStore(source)
    if try store.paths.root.contains(path) {
      throw StoreError(.invalidArgument, "the new store \(path) would lie inside the damaged one")
    }
    let notes = RepairNotes()
    let generation = try store.liveGeneration(notes)
    let lock = try store.lock(generation)
    defer { extendLifetime(lock) }
    var report = RepairReport()
    report.generation = generation.number
    for problem in generation.problems { notes.note(problem) }
    let plan = try RepairPlan(generation, usesPrevious: usesPrevious, notes, progress)
    report.commit = plan.choice
    report.batchSequence = plan.carried.batchSequence
    report.lastCommit = plan.carried.batchSequence == 0 ? nil : Date(milliseconds: plan.carried.lastCommit)
    report.isStoreRecordLost = plan.isStoreRecordLost
    try StoreCreation.build(at: path) { place in try fill(place, plan, notes, &report) }
    (report.losses, report.omittedLosses) = (notes.losses, notes.omittedLosses)
    (report.problems, report.omittedProblems) = (notes.problems, notes.omittedProblems)
    report.duration = .now - started
    return report
  }

  /// Fills the temporary directory of the new store: generation 2 is the stage, generation 1 is the result.
  private func fill(_ place: StorePaths, _ plan: RepairPlan, _ notes: RepairNotes, _ report: inout RepairReport) throws {
    let staged = try open(2, of: place, plan.store)
    do {
      var stage = RepairStage(staged, carrying: plan.carried, notes)
      try StoreSalvage(plan: plan, notes: notes, progress: progress).run(&stage)
      try copy(staged, to: place, plan, &report)
    } catch {
      _ = staged.close()
      throw error
    }
    guard staged.close() else { throw StoreError(.stillInUse, "the salvaged records cannot be closed") }
    try Directories.removeTree(place.generation(2))
    report.sizeBytes = StoreRebuild.allocatedBytes(place.generation(1))
    try StoreCreation.complete(place)
  }

  private func open(_ number: UInt64, of place: StorePaths, _ store: StoreRecord) throws -> Generation {
    try StoreCreation.createGeneration(in: place.generation(number), store.inGeneration(number))
    return try StoreOpening.openGeneration(place, number: number, options: StoreOptions()).0
  }

  private func copy(_ staged: Generation, to place: StorePaths, _ plan: RepairPlan, _ report: inout RepairReport) throws {
    let target = try open(1, of: place, plan.store)
    do {
      var copy = GenerationCopy(from: staged, to: target, progress: progress)
      try copy.copyAll()
      let state = try copy.finish()
      try target.trim()
      try StoreVerifier.requireIntact(target, progress)
      (report.memories, report.contexts) = (state.memories, state.contexts)
      (report.rows, report.tokens) = (state.rowsLive, state.tokens)
      report.versions = try entries(of: Tables.History.self, in: target)
    } catch {
      _ = target.close()
      throw error
    }
    guard target.close() else { throw StoreError(.stillInUse, "the new store cannot be closed") }
  }

  private func entries(of table: (some Table).Type, in target: Generation) throws -> Int {
    let snapshot = try EnvironmentSnapshot(target.environment)
    return try RecordReader(snapshot.view, target, now: .min).entryCount(of: table)
  }
}
