import Foundation
import TestSupport
import Testing

@Suite struct RoundTripTests {
  private let tool: Tool

  init() throws { tool = try Tool() }

  @Test(arguments: ["cosine", "dot"], ["base64", "array"])
  func exportOfAnImportedExportIsEqual(_ metric: String, _ vectors: String) throws {
    let lines = SampleLines.jsonLines(count: 200, seed: 1) { index, generator in
      index % 4 == 0 ? nil : (0..<5).map { _ in Float.random(in: -3...3, using: &generator) }
    }
    let first = try tool.store("first.memory", "--dimension", "5", "--metric", metric, lines: lines)
    let exported = try tool.export(first, "--vectors", vectors)
    #expect(exported.split(separator: "\n").count == 1 + 8 + 200)
    let second = try tool.store("second.memory", "--dimension", "5", "--metric", metric, lines: exported)
    #expect(try tool.export(second, "--vectors", vectors) == exported)
    // Both formats of a vector represent the same floats.
    #expect(try tool.export(second) == tool.export(first))
    try tool.run("verify", second)
  }

  @Test func everyFieldArrivesAsItWasGiven() throws {
    let line =
      #"{"type":"memory","id":"019b76da-a800-7000-8000-000000000000","userID":"ü/%_","text":"a\"b\\c\u0000","kind":"k","sessionID":"s","#
      + #""speaker":"p","createdAt":"2026-01-02T03:04:05.678Z","importance":0.25,"expiresAt":"2999-12-31T00:00:00.000Z","dedupeKey":"d","#
      + #""metadata":{"b":true,"d":1.0,"i":1,"s":"x"},"tags":["a,b","t"],"caption":"c","validFrom":"2026-01-02T03:04:05.678Z","#
      + #""validUntil":"2027-01-02T03:04:05.678Z","source":"web","trust":"low","derivedFrom":["019b76da-a800-7000-8000-000000000001"],"#
      + #""replaces":"019b76da-a800-7000-8000-000000000002","supersededBy":"019b76da-a800-7000-8000-000000000003","#
      + #""embedding":"AACAPwAAAAA="}"#
    let store = try tool.store("s.memory", "--dimension", "2", "--metric", "dot", lines: line + "\n")
    #expect(
      try tool.export(store)
        == #"{"type":"store","format":1,"dimension":2,"metric":"dot","embedder":null,"vectors":"base64"}"# + "\n" + line + "\n")
  }

  @Test func plainStoreRoundTrips() throws {
    let lines = SampleLines.jsonLines(count: 50, seed: 2) { _, _ in nil }
    let first = try tool.store("first.memory", lines: lines)
    let exported = try tool.export(first)
    let second = try tool.store("second.memory", lines: exported)
    #expect(try tool.export(second) == exported)
  }

  @Test func embedderFillsWhatHasNoEmbeddingAndLeavesAnExplicitNull() throws {
    let lines =
      #"{"type":"memory","userID":"u","text":"loves ramen"}"# + "\n" + #"{"type":"memory","userID":"u","text":"x","embedding":null}"# + "\n"
    let store = try tool.store("s.memory", "--embedder", "hashing", lines: lines)
    let exported = try tool.export(store).split(separator: "\n")
    #expect(exported.count { $0.contains(#""embedding":null"#) && $0.contains(#""type":"memory""#) } == 1)
    let hits = try tool.run("search", store, "ramen", "--all", "--json").standardOutput.split(separator: "\n")
    #expect(hits.count == 1 && hits[0].contains("loves ramen"))
    // A file without vectors can be imported into any store, whose embedder makes new ones.
    let plain = try tool.export(store, "--vectors", "none")
    #expect(!plain.contains("\"embedding\""))
    let other = try tool.store("other.memory", "--embedder", "hashing", "--dimension", "64", lines: plain)
    #expect(try tool.run("inspect", other, "--user", "u", "--json").standardOutput.contains(#""embeddings":2"#))
  }

  @Test func expiredMemoriesAreNotExported() throws {
    let store = try tool.store(
      "s.memory",
      lines: #"{"type":"memory","userID":"u","text":"gone","expiresAt":"2020-01-01"}"# + "\n"
        + #"{"type":"memory","userID":"u","text":"here"}"# + "\n")
    let exported = try tool.export(store)
    #expect(exported.contains("here") && !exported.contains("gone"))
  }

  @Test func selectionsHoldWhatTheySay() throws {
    let lines = SampleLines.jsonLines(count: 40, seed: 3) { _, _ in nil }
    let store = try tool.store("s.memory", lines: lines)
    let one = try tool.export(store, "--user", "z").split(separator: "\n").dropFirst()
    #expect(one.count == 2 + 10 && one.allSatisfy { $0.contains(#""userID":"z""#) })
    let ids = one.compactMap { $0.split(separator: #""id":""#).dropFirst().first?.prefix(36) }
    #expect(ids == ids.sorted())
    let contexts = try tool.export(store, "--contexts").split(separator: "\n").dropFirst()
    #expect(contexts.count == 8 && contexts.allSatisfy { $0.hasPrefix(#"{"type":"context""#) })
    let since = try tool.export(store, "--since", "2026-01-20").split(separator: "\n").filter { $0.hasPrefix(#"{"type":"memory""#) }
    let expected = lines.split(separator: "\n").filter { $0.contains(#""createdAt":"2026-01-2"#) }
    #expect(!expected.isEmpty && since.count == expected.count)
  }

  @Test func importReadsSeveralFilesAndStandardInput() throws {
    let store = try tool.store("s.memory")
    _ = try tool.write(#"{"type":"memory","userID":"u","text":"one"}"# + "\n", to: "1.jsonl")
    // The last line needs no line feed, and lines may end in either way.
    _ = try tool.write(
      "\r\n" + #"{"type":"memory","userID":"u","text":"two"}"# + "\r\n" + #"{"type":"memory","userID":"u","text":"three"}"#, to: "2.jsonl")
    let result = try tool.shell(
      #"""
      ln -s "$1/2.jsonl" "$1/link.jsonl"
      printf '{"type":"memory","userID":"u","text":"four"}' | "$0" import "$1/s.memory" "$1/1.jsonl" - "$1/link.jsonl" --json
      """#
    )
    #expect(result.standardOutput == #"{"memories":4,"contexts":0,"skipped":0,"replaced":0}"# + "\n")
    #expect(result.standardError.isEmpty)
    let texts = try tool.export(store).split(separator: "\n").dropFirst().compactMap {
      $0.split(separator: #""text":""#).dropFirst().first?.prefix { $0 != "\"" }
    }
    #expect(texts == ["one", "four", "two", "three"])
  }

  @Test func pipesWithANameAndEmptyFilesCanBeImported() throws {
    try tool.store("s.memory")
    let result = try tool.shell(
      #"""
      mkfifo "$1/pipe"; : > "$1/empty.jsonl"
      printf '{"type":"memory","userID":"u","text":"one"}' > "$1/pipe" & "$0" import "$1/s.memory" "$1/pipe" "$1/empty.jsonl" --json
      printf '{"type":"memory","userID":"u","text":"two"}' | "$0" import "$1/s.memory" /dev/stdin --json
      """#)
    let one = #"{"memories":1,"contexts":0,"skipped":0,"replaced":0}"# + "\n"
    #expect(result.standardOutput == one + one)
    #expect(result.standardError.isEmpty)
  }

  @Test func unknownKeysAreIgnoredAndCounted() throws {
    let store = try tool.store("s.memory")
    let file = try tool.write(#"{"type":"memory","userID":"u","text":"t","colour":{"deep":[1]},"size":2}"# + "\n", to: "f.jsonl")
    let outcome = try tool.run("import", store, file)
    #expect(outcome.standardOutput == "imported 1 memory and 0 contexts, skipped 0, replaced 0\n")
    #expect(outcome.standardError == "memtool: unknown keys were ignored 2 times: 'colour', 'size'\n")
  }
}
