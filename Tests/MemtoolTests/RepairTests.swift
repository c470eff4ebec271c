import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// `memtool repair`: its output and its exit codes.
@Suite struct RepairTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    let lines = SampleLines.jsonLines(count: 60, seed: 8) { _, generator in (0..<4).map { _ in Float.random(in: -1...1, using: &generator) }
    }
    store = try tool.store("s.memory", "--dimension", "4", lines: lines)
  }

  private var new: String { tool.path("new.memory") }

  private func flip(_ file: String, at offset: Int) throws {
    let handle = try Files.FileHandle(path: "\(store)/gen-1/\(file)", access: .readWrite)
    try handle.write([try handle.read(count: 1, at: offset)[0] ^ 1], at: offset)
  }

  /// The offset of a text's bytes in the data file.
  private func offset(of text: String) throws -> Int {
    try #require(try tool.bytes("s.memory/gen-1/data.mdb").firstRange(of: Array(text.utf8))).lowerBound
  }

  @Test func anIntactStoreIsCopied() throws {
    let outcome = try tool.run("repair", store, "--into", new)
    #expect(
      outcome.standardOutput
        == "nothing is lost: 60 memories, 60 embeddings, 8 contexts, 0 earlier versions, 0 tokens as of commit 1 saved to \(new), verified; "
        + "0 problems in the files of generation 1\n")
    #expect(outcome.standardError == "")
    #expect(try tool.export(new) == tool.export(store))
    try tool.run("verify", new)
  }

  @Test func lossesArePrintedAndTellTheExitCode() throws {
    try flip("rows.f32", at: 4096 + 5)
    try flip("data.mdb", at: offset(of: "text 7 "))
    let outcome = try tool.run("repair", store, "--into", new, exit: 3)
    let lines = outcome.standardOutput.split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines.contains { $0.hasPrefix("memory ") && $0.hasSuffix(": its record does not match its checksum") })
    #expect(lines.contains { $0.hasSuffix(" has no embedding any more: row 0 does not match its checksum") })
    #expect(lines.last?.hasPrefix("2 losses: 59 memories, 58 embeddings, 8 contexts") == true)
    try tool.run("verify", new)
  }

  @Test func jsonTellsTheSame() throws {
    try flip("data.mdb", at: offset(of: "text 7 "))
    let text = try tool.run("repair", store, "--into", new, "--json", exit: 3).standardOutput
    let json = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(
      Set(json.keys) == [
        "ok", "memories", "contexts", "versions", "rows", "tokens", "bytes", "generation", "batchSequence", "commit", "reason",
        "storeRecordLost", "losses", "problems", "milliseconds",
      ])
    #expect(json["ok"] as? Bool == false && json["memories"] as? Int == 59 && json["commit"] as? String == "last")
    #expect((json["losses"] as? [String])?.count == 1 && json["reason"] is NSNull)
  }

  @Test func theCommitBeforeIsReadOnDemand() throws {
    try tool.run("add", store, "--user", "z", "later")
    let outcome = try tool.run("repair", store, "--into", new, "--previous", exit: 3)
    #expect(outcome.standardOutput.hasPrefix("the commit before the last one was read: it was asked for\n1 loss: 60 memories"))
    #expect(!(try tool.export(new).contains("later")))
  }

  @Test func whatCannotBeRepairedIsAFailure() throws {
    try tool.run("repair", tool.path("missing"), "--into", new, exit: 1)
    try tool.run("repair", store, "--into", store, exit: 1)
    try tool.run("repair", store, exit: 64)
    let handle = try Files.FileHandle(path: "\(store)/gen-1/data.mdb", access: .readWrite)
    try handle.write([UInt8](repeating: 0, count: 8192), at: 0)
    let outcome = try tool.run("repair", store, "--into", new, exit: 1)
    #expect(outcome.standardError.contains("can be read") && outcome.standardOutput == "")
    #expect(try Directories.status(new) == nil)
  }
}
