import ArgumentParser
import Engram
import Foundation

/// Verifies, uses and repairs a store that may be damaged: in a process of its own, so that a signal is a finding.
struct DamageCheck: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "damage-check", abstract: "Verifies, uses and repairs a damaged store.", shouldDisplay: false)

  @Argument var store: String
  @Option(help: "A file of JSON: what the sound store held.") var oracle: String
  @Option(help: "Where the repaired store goes.") var into: String

  func run() async throws {
    let oracle = try JSONDecoder().decode(WorkerOracle.self, from: Data(contentsOf: URL(fileURLWithPath: oracle)))
    var result = CheckResult()
    let isClean = await verify(&result)
    if isClean { await use(oracle, &result) }
    await repair(oracle, &result)
    print(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
  }

  /// - Returns: Whether nothing was found.
  private func verify(_ result: inout CheckResult) async -> Bool {
    do {
      let report = try await MemoryStore.verify(at: URL(fileURLWithPath: store), deep: true) { _ in }
      result.counts[report.isIntact ? "verified clean" : "damage found", default: 0] += 1
      return report.isIntact
    } catch {
      result.counts["refused: \(LaneRunner.code(of: error))", default: 0] += 1
      return false
    }
  }

  /// Compares a store that was verified as intact with the oracle.
  private func use(_ oracle: WorkerOracle, _ result: inout CheckResult) async {
    var check = StoreCheck(path: store, oracle: oracle, readsOnly: false)
    await check.run()
    result.violations += check.violations.map { "verified clean, and then: \($0)" }
  }

  /// Repairs the store: this must throw, or make a store that verifies and holds nothing that the sound store did not hold.
  private func repair(_ oracle: WorkerOracle, _ result: inout CheckResult) async {
    let place = URL(fileURLWithPath: into)
    do {
      let report = try await MemoryStore.repair(URL(fileURLWithPath: store), into: place)
      result.counts[report.isLossless ? "repaired without loss" : "repaired with losses", default: 0] += 1
      let verification = try await MemoryStore.verify(at: place, deep: true) { _ in }
      for problem in verification.problems.prefix(3) { result.violations.append("the repaired store: \(problem)") }
      result.violations += try await strangers(in: place, oracle).map { "the repaired store: \($0)" }
    } catch {
      result.counts["repair refused: \(LaneRunner.code(of: error))", default: 0] += 1
    }
  }

  /// Problems of memories in the repaired store that the sound one had in none of its last four states; at most five.
  private func strangers(in place: URL, _ oracle: WorkerOracle) async throws -> [String] {
    var known: [MemoryID: [LaneMemory]] = [:]
    for progress in oracle.lanes.values {
      for count in max(0, progress.acknowledged - 3)...progress.acknowledged {
        for (id, memory) in LaneState(progress.lane, count: count).memories { known[id, default: []].append(memory) }
      }
    }
    let store = try await MemoryStore.open(at: place)
    var problems: [String] = []
    try store.read { snapshot in
      try snapshot.forEachMemory { memory in
        // `use` has written these memories.
        if memory.userID == "checker" { return true }
        let embedding = try snapshot.embedding(of: memory.id, for: memory.userID)
        let isKnown = (known[memory.id] ?? []).contains { expected in
          StoredMemory.difference(memory, embedding, expected) == nil
            || (embedding == nil && StoredMemory.difference(memory, expected) == nil)
        }
        if !isKnown { problems.append("memory \(memory.id) of '\(memory.userID)' is not one that was stored") }
        return problems.count < 5
      }
    }
    try await store.close()
    return problems
  }
}
