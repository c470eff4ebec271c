import Engram
import TestSupport
import Testing

@testable import memtool

/// The table of embedders.
@Suite struct EmbedderTests {
  private let tool: Tool

  init() throws { tool = try Tool() }

  @Test func anUnknownNameIsAnsweredWithTheKnownOnesAndTheNearest() throws {
    let outcome = try tool.run("create", tool.path("s.memory"), "--embedder", "hashin", exit: 64)
    #expect(
      outcome.standardError.contains(
        "There is no embedder 'hashin'. Did you mean 'hashing'? There are: none, hashing, bert:DIRECTORY, http:URL#MODEL, command:CMD."))
    #expect(
      try tool.run("create", tool.path("s.memory"), "--embedder", "hashing:384", exit: 64).standardError
        .contains("The embedder 'hashing' takes nothing behind its name."))
  }

  @Test func helpListsTheTable() throws {
    // Without the line breaks of the help.
    let help = try tool.run("create", "--help").standardOutput.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(help.contains("--embedder <\(Embedders.forms)>"))
    for maker in Embedders.all { #expect(help.contains("\(maker.form): \(maker.summary)"), "\(maker.form)") }
  }

  @Test func theNamesAreDifferentAndTheFirstIsNone() {
    #expect(Embedders.all.first?.form == "none")
    #expect(Set(Embedders.all.map(\.name)).count == Embedders.all.count)
  }

  /// An embedder is made from the identity that the store is pinned to; for an unknown identity, embedding fails with an error that names
  /// it.
  @Test func theEmbedderOfAStoreIsFoundByItsIdentity() async throws {
    let known = HashingEmbedder(dimension: 64)
    #expect(try await Embedders.embedder(for: known.identity, named: nil) is HashingEmbedder)
    let unknown = EmbedderIdentity(name: "bert", dimension: 64, version: "1")
    let missing = try await Embedders.embedder(for: unknown, named: nil)
    #expect(missing.identity == unknown)
    let error = await #expect(throws: StoreError.self) { try await missing.embed("text") }
    #expect(error?.code == .embedderRequired && error?.message.contains("bert, version 1") == true)
    // The environment may name an embedder, which must have the same identity.
    #expect(try await Embedders.embedder(for: known.identity, named: "bert:/nothing") is HashingEmbedder)
    let refused = await #expect(throws: StoreError.self) { try await Embedders.embedder(for: unknown, named: "hashing") }
    #expect(refused?.code == .embedderMismatch)
    // Another version of the hashing embedder makes other vectors.
    #expect(
      try await !(Embedders.embedder(for: EmbedderIdentity(name: "hashing", dimension: 64, version: "0"), named: nil) is HashingEmbedder))
  }
}
