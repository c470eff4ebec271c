import ArgumentParser
import Engram
import Foundation

/// The store that a command works on.
struct StoreArgument: ParsableArguments {
  @Argument(help: "The store's directory.", completion: .directory)
  var store: String

  var url: URL { URL(fileURLWithPath: store) }

  /// Opens the store, lends it to `body` and closes it again.
  ///
  /// A snapshot is kept for as long as the command needs it. Nothing is created.
  func open<Value>(_ access: StoreOptions.Access, _ body: (MemoryStore) async throws -> Value) async throws -> Value {
    let options = StoreOptions(access: access, createsIfMissing: false, snapshotMaxAge: nil)
    let store = try await MemoryStore.open(at: url, options: options)
    let value: Value
    do {
      value = try await body(store)
    } catch {
      // The first error is the one to tell.
      try? await store.close()
      throw error
    }
    try await store.close()
    return value
  }
}

/// What every command understands.
struct OutputOptions: ParsableArguments {
  @Flag(help: "Print JSON: one object, or one object a line for a list.")
  var json = false
}

extension MemoryStore {
  /// The embedder that the store is pinned to; nil where it has none.
  var pinnedEmbedder: (any Embedder)? {
    guard let pinned = identity.embedder else { return nil }
    if pinned.name == "hashing", (1...65_536).contains(pinned.dimension) {
      let hashing = HashingEmbedder(dimension: pinned.dimension)
      if hashing.identity == pinned { return hashing }
    }
    return MissingEmbedder(identity: pinned)
  }

  /// - Throws: ``StoreError`` `.embedderRequired`.
  func requiredEmbedder() throws -> any Embedder {
    guard let embedder = pinnedEmbedder else {
      throw StoreError(.embedderRequired, "the store has no embedder, so a text cannot be searched for: give a vector with --vector")
    }
    return embedder
  }
}

/// Stands for an embedder that this program does not have: fails when it is used, by name.
private struct MissingEmbedder: Embedder {
  let identity: EmbedderIdentity

  func embed(_ texts: [String]) async throws -> [Embedding] {
    throw StoreError(
      .embedderRequired,
      "the store needs the embedder '\(identity)', which memtool does not have: give embeddings or a vector instead of a text")
  }
}
