import ArgumentParser
import Foundation
import TestSupport
import Testing

@testable import memtool

/// `MEMTOOL_STORE`, `MEMTOOL_USER` and relative times.
@Suite struct EnvironmentTests {
  private func words(_ words: String..., store: String? = "env.memory", user: String? = nil) throws -> [String] {
    let environment = ["MEMTOOL_STORE": store, "MEMTOOL_USER": user].compactMapValues { $0 }
    return try CommandWords(words, of: Memtool.self, defaults: EnvironmentDefaults(environment)).parserWords()
  }

  @Test func theStoreIsTakenFromTheEnvironmentIfItIsLeftOut() throws {
    #expect(try words("inspect") == ["inspect", "env.memory"])
    #expect(try words("inspect", "a.memory") == ["inspect", "a.memory"])
    #expect(try words("search", "tea", "--all") == ["search", "env.memory", "tea", "--all"])
    #expect(try words("search", "a.memory", "tea", "--all") == ["search", "a.memory", "tea", "--all"])
    #expect(try words("add", "text", "--user", "u") == ["add", "env.memory", "text", "--user", "u"])
    #expect(try words("get", "--vector", "0001") == ["get", "env.memory", "--vector", "0001"])
    #expect(try words("import", "a.jsonl", "b.jsonl") == ["import", "env.memory", "a.jsonl", "b.jsonl"])
    #expect(try words("context", "get", "--user", "u") == ["context", "get", "env.memory", "--user", "u"])
    #expect(try words("inspect", store: "-s") == ["inspect", "./-s"])
    // Empty is absent, and help needs no store.
    #expect(try words("inspect", store: "") == ["inspect"])
    #expect(try words("inspect", "--help") == ["inspect", "--help"])
    #expect(try words("eval", "file") == ["eval", "file"])
  }

  @Test func anExistingStoreOnTheCommandLineComesFirst() throws {
    let tool = try Tool()
    let store = try tool.store("s.memory")
    #expect(try words("import", store, "b.jsonl") == ["import", store, "b.jsonl"])
    #expect(try words("delete", store, "0001", "--user", "u") == ["delete", store, "0001", "--user", "u"])
    #expect(try words("delete", "0001", "0002", "--user", "u") == ["delete", "env.memory", "0001", "0002", "--user", "u"])
  }

  @Test func theUserIsTakenWhereOneIsNeededAndNowhereElse() throws {
    #expect(try words("search", "tea", user: "u") == ["search", "env.memory", "--user=u", "tea"])
    #expect(try words("search", "tea", "--all", user: "u") == ["search", "env.memory", "tea", "--all"])
    #expect(try words("search", "tea", "--user", "v", user: "u") == ["search", "env.memory", "tea", "--user", "v"])
    #expect(try words("mcp", "--user-argument", user: "u") == ["mcp", "env.memory", "--user-argument"])
    for command in ["export", "inspect", "audit", "watch", "users", "forget", "verify"] {
      #expect(try words(command, user: "u") == [command, "env.memory"])
    }
  }

  @Test func commandsRunByTheEnvironmentAndErrorsSayWhereAValueCameFrom() throws {
    let tool = try Tool()
    let store = try tool.store("s.memory", "--embedder", "hashing")
    let environment = ["MEMTOOL_STORE": store, "MEMTOOL_USER": "maya"]
    let added = try Subprocess.run(tool.executable, ["add", "she likes tea"], environment: environment)
    #expect(added.termination == .exited(0), "\(added)")
    #expect(try Subprocess.run(tool.executable, ["list"], environment: environment).standardOutput.contains("she likes tea"))
    let unknown = try Subprocess.run(tool.executable, ["list"], environment: ["MEMTOOL_STORE": store, "MEMTOOL_USER": "nobody"])
    #expect(
      unknown.standardError == "memtool: the store has no user 'nobody' (MEMTOOL_STORE is '\(store)', MEMTOOL_USER is 'nobody')\n",
      "\(unknown)")
    let missing = try Subprocess.run(tool.executable, ["stats"], environment: ["MEMTOOL_STORE": tool.path("no\u{1B}")])
    #expect(missing.termination == .exited(1) && missing.standardError.hasSuffix(#"/no\u{1B}')"# + "\n"), "\(missing)")
    let wrong = try Subprocess.run(tool.executable, ["compact", "a", "b"], environment: environment)
    #expect(wrong.termination == .exited(64))
  }

  private func time(_ text: String, _ side: TimeArgument.Side) throws -> Int64 {
    try TimeArgument(parsing: text, side, now: Self.now).milliseconds
  }

  // 2026-01-02T03:04:05Z
  private static let now: Int64 = 1_767_323_045_000
  private static let day: Int64 = 86_400_000

  @Test func amountsLieOnTheSideOfTheOptionUnlessTheySayWhich() throws {
    for side in [TimeArgument.Side.past, .future] {
      let sign: Int64 = side == .past ? -1 : 1
      #expect(try time("7d", side) == Self.now + sign * 7 * Self.day)
      #expect(try time("90 seconds", side) == Self.now + sign * 90_000)
      #expect(try time("15M", side) == Self.now + sign * 900_000)
      #expect(try time("1y", side) == Self.now + sign * 365 * Self.day)
      #expect(try time("2h ago", side) == Self.now - 7_200_000)
      #expect(try time("in 4 weeks", side) == Self.now + 28 * Self.day)
      #expect(try time("now", side) == Self.now)
      #expect(try time("today", side) == 1_767_312_000_000)
      #expect(try time("Yesterday", side) == 1_767_312_000_000 - Self.day)
      #expect(try time("tomorrow", side) == 1_767_312_000_000 + Self.day)
      #expect(try time("2026-01-02T03:04:05Z", side) == Self.now)
      #expect(try time("2026-01-02", side) == 1_767_312_000_000)
    }
  }

  @Test(arguments: [
    "", "d", "7", "7x", "-7d", "in 7d ago", "7d 3h", "99999999999999999999d", "999999999999999d", "9999y", "last week", "٧d", "7d\u{1B}",
  ])
  func whatIsNoTimeIsRefusedWithWhatIsValid(_ text: String) throws {
    let error = #expect(throws: ValidationError.self) { try time(text, .past) }
    #expect(error?.message.hasPrefix("not a time: give a date (2026-01-02)") == true)
  }

  @Test func aDateThatIsWrongIsNamed() throws {
    #expect(throws: ValidationError.self) { try time("2026-13-01", .past) }
    let error = #expect(throws: ValidationError.self) { try time("2026-01-02T03:04:05", .past) }
    #expect(error?.message.contains("no zone") == true)
  }
}
