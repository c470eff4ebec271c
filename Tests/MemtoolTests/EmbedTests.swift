import Foundation
import TestSupport
import Testing

/// `memtool embed` and `memtool reembed`.
@Suite struct EmbedTests {
  private let tool: Tool

  init() throws { tool = try Tool() }

  private static let lines = """
    {"type":"memory","userID":"maya","text":"She drinks green tea.","embedding":null}
    {"type":"memory","userID":"noah","text":"The train leaves at nine.","embedding":null}

    """

  @Test func whatHasNoEmbeddingIsListedAndEmbedded() throws {
    let store = try tool.store("s.memory", "--embedder", "hashing", lines: Self.lines)
    #expect(try tool.run("inspect", store).standardOutput.contains("without embedding  2\n"))
    #expect(try tool.run("inspect", store, "--json").standardOutput.contains(#""memories":2,"withoutEmbedding":2,"#))
    #expect(try tool.run("audit", store).standardOutput.contains(/without embedding +2\n/))
    #expect(try tool.run("audit", store, "--json").standardOutput.contains(#""withoutEmbedding":{"count":2,"first":["#))
    #expect(try tool.run("search", store, "green tea", "--user", "maya").standardOutput.contains("She drinks green tea."))
    #expect(try tool.run("embed", store, "--missing", "--user", "maya").standardOutput == "1 memory embedded\n")
    let rest = try tool.run("embed", store, "--missing", "--json").standardOutput
    #expect(rest.hasPrefix(#"{"embedded":1,"skipped":0,"refused":0,"milliseconds":"#))
    #expect(try tool.run("embed", store, "--missing").standardOutput == "0 memories embedded\n")
    #expect(try !tool.export(store).contains(#""embedding":null"#))
  }

  @Test func theEmbedderIsNamedWhereTheStoreHasNone() throws {
    let store = try tool.store("s.memory", "--dimension", "384", lines: Self.lines)
    let refused = try tool.run("embed", store, "--missing", exit: 1)
    #expect(refused.standardError.contains("(--embedder names one)"))
    #expect(try tool.run("embed", store, exit: 64).standardError.contains("Say which memories: --missing."))
    #expect(try tool.run("embed", store, "--missing", "--embedder", "none", exit: 64).standardError.contains("makes no embeddings"))
    #expect(try tool.run("embed", store, "--missing", "--embedder", "hashing").standardOutput == "2 memories embedded\n")
    #expect(try tool.run("inspect", store).standardOutput.contains(/embedder +hashing, version/))
  }

  @Test func aStoreMovesToAnotherEmbedder() throws {
    let store = try tool.store("s.memory", "--embedder", "hashing", lines: Self.lines)
    let moved = try tool.run("reembed", store, "--embedder", "hashing", "--dimension", "64").standardOutput
    #expect(moved.hasPrefix("2 memories: 2 embedded, 0 by an earlier attempt; the store's embedder is hashing, version "), "\(moved)")
    #expect(try tool.run("inspect", store).standardOutput.contains(/embeddings +64 dimensions, cosine\n/))
    #expect(try tool.run("search", store, "green tea", "--user", "maya").standardOutput.contains("She drinks green tea."))
    try tool.run("verify", store, "--deep")
    let again = try tool.run("reembed", store, "--embedder", "hashing", "--dimension", "64")
    #expect(again.standardOutput.hasPrefix("nothing to do: the store's embedder is hashing, version "))
    let json = try tool.run("reembed", store, "--embedder", "hashing", "--json").standardOutput
    #expect(json.hasPrefix(#"{"isChanged":true,"embedder":{"name":"hashing","#) && json.contains(#""memories":2,"embedded":2,"reused":0,"#))
    #expect(try tool.run("reembed", store, "--embedder", "none", exit: 64).standardError.contains("makes no embeddings"))
    #expect(try tool.run("reembed", store, exit: 64).standardError.contains("Say which embedder: --embedder or --embed-command."))
  }
}
