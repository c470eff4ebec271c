import Foundation
import TestSupport
import Testing

@testable import Engram

/// The commands that rebuild a store's files, by what they print.
@Suite struct LifecycleTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    let lines = SampleLines.jsonLines(count: 200, seed: 6) { _, generator in
      (0..<4).map { _ in Float.random(in: -1...1, using: &generator) }
    }
    store = try tool.store("s.memory", "--dimension", "4", lines: lines)
  }

  private func json(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  private func holds(_ needle: String) throws -> Bool {
    try FileManager.default.subpathsOfDirectory(atPath: store).contains { name in
      FileManager.default.contents(atPath: "\(store)/\(name)")?.range(of: Data(needle.utf8)) != nil
    }
  }

  @Test func compactKeepsTheExportAndTellsWhatItWon() throws {
    try tool.run("delete", store, "--user", "plain", "--until", "2999-01-01")
    let before = try tool.export(store)
    let text = try tool.run("compact", store).standardOutput
    #expect(text.contains(" won; 150 memories, 8 contexts, "), "\(text)")
    #expect(text.contains("150 rows; generation 2, writers paused "), "\(text)")
    #expect(try tool.export(store) == before)
    let report = try json(try tool.run("compact", store, "--json").standardOutput)
    #expect(report["generation"] as? Int == 3 && report["memories"] as? Int == 150 && report["rowsAfter"] as? Int == 150)
    #expect((report["holders"] as? [Int])?.isEmpty == true && (report["bytesAfter"] as? Int ?? 0) > 0)
    #expect(try tool.run("verify", store, "--deep").standardOutput.hasPrefix("ok: 150 memories, 8 contexts, 150 rows, "))
  }

  @Test func aBackupIsAStoreOfItsOwn() throws {
    let destination = tool.path("copy.memory")
    let text = try tool.run("backup", store, destination).standardOutput
    #expect(text.hasPrefix("backed up 200 memories and 8 contexts as of commit 1 to "), "\(text)")
    #expect(try tool.export(destination) == tool.export(store))
    #expect(try tool.run(["backup", store, destination], exit: 1).standardError.contains("nothing was overwritten"))
    let report = try json(try tool.run("backup", store, tool.path("other.memory"), "--json").standardOutput)
    #expect(report["batchSequence"] as? Int == 1 && report["memories"] as? Int == 200)
  }

  @Test func forgetProvesThatNothingIsLeft() throws {
    #expect(try holds("with \\\"quotes\\\"") || holds("with \"quotes\""))
    try tool.run(["forget", store, "--user", "with \"quotes\""], exit: 64)
    let text = try tool.run("forget", store, "--user", "with \"quotes\"", "--yes", "--prove").standardOutput
    #expect(text.hasPrefix("erased user with \"quotes\": 50 memories, 50 embeddings, 2 contexts, 0 earlier versions\n"), "\(text)")
    #expect(text.contains("hidden by commit 2 at "), "\(text)")
    #expect(text.contains("not searched: gen-2/lock.mdb"), "\(text)")
    let lines = text.split(separator: "\n")
    let (before, after) = (lines.first { $0.hasPrefix("before, ") }, lines.first { $0.hasPrefix("after, ") })
    #expect(before?.contains(" memoryID") == true && after?.hasSuffix("nothing") == true, "\(text)")
    #expect(try !holds("with \"quotes\""))
    let receipt = try json(try tool.run("forget", store, "--user", "z", "--yes", "--prove", "--json").standardOutput)
    let scan = try #require(receipt["scan"] as? [String: Any])
    #expect(receipt["memories"] as? Int == 50 && receipt["complete"] as? Bool == true && scan["clean"] as? Bool == true)
    #expect((receipt["outOfReach"] as? [String])?.count == ErasureReceipt.outOfReach.count)
    #expect(try tool.run("verify", store).standardOutput.hasPrefix("ok: 100 memories, 4 contexts, "))
  }

  @Test func deletedMemoriesCanBeErasedToo() throws {
    let line = try #require(try tool.export(store).split(separator: "\n").first { $0.contains("text 17 ") })
    let memory = try json(String(line))
    let id = try #require(memory["id"] as? String)
    try tool.run("delete", store, id)
    #expect(try holds("text 17 "))
    let text = try tool.run("delete", store, id, "--erase", "--prove").standardOutput
    #expect(text.hasPrefix("erased 1 memory: 0 memories, "), "\(text)")
    #expect(try !holds("text 17 "))
    try tool.run(["delete", store, id, "--erase", "--dry-run"], exit: 64)
    try tool.run(["delete", store, id, "--prove"], exit: 64)
    let erased = try tool.run("delete", store, "--user", "plain", "--until", "2999-01-01", "--erase").standardOutput
    #expect(erased.hasPrefix("erased 50 memories: 50 memories, 50 embeddings, "), "\(erased)")
  }

  @Test func whoHoldsTheOldFilesIsNamed() throws {
    let child = try TestProcess.executable("EngramTestChild")
    let holder = try Subprocess(child, ["hold-snapshots-any", store, "1"])
    #expect(try holder.readLine() == "holding 1")
    let outcome = try tool.run(["forget", store, "--user", "z", "--yes", "--wait", "1.5"], exit: 1)
    #expect(outcome.standardOutput.hasPrefix("erased user z: 50 memories"), "\(outcome)")
    #expect(outcome.standardError.contains("processes that have them open: \(holder.processID)."), "\(outcome)")
    _ = try holder.finish()
    try tool.run("forget", store, "--user", "z", "--yes")
    try tool.run(["forget", store, "--user", "z", "--yes", "--wait", "-1"], exit: 64)
  }
}
