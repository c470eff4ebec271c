import ArgumentParser
import Engram
import Formats
import Foundation

struct Create: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make an empty store.",
    discussion: """
      Metric and language are fixed for the life of the store; only reembed gives it another embedder or dimension. Without a dimension it holds contexts and plain \
      memories, which are found by their words alone. \
      The hashing embedder needs no model: it compares words and parts of words, and makes text search work out of the box.

      EXAMPLES
        memtool create bot.memory --embedder hashing
        memtool create bot.memory --dimension 768 --metric dot
        memtool create bot.memory --embedder hashing --language german
      """)

  @OptionGroup var store: StoreArgument

  @Option(help: ArgumentHelp("Components of an embedding, 1 to 65536. By default those of the embedder.", valueName: "n"))
  var dimension: Int?

  @Option(help: ArgumentHelp("How embeddings are compared.", valueName: "cosine|dot"))
  var metric: Metric = .cosine

  @Option(
    help: ArgumentHelp(
      "What turns texts into embeddings, by default nothing; only reembed gives the store another one later. \(Embedders.summaries).",
      valueName: Embedders.forms),
    transform: EmbedderArgument.init(parsing:))
  var embedder: EmbedderArgument?

  @OptionGroup var command: EmbedCommandOption

  @Option(help: "The language of the texts: which endings of words do not count. none: all of them do.")
  var language: WordLanguage = .english

  @OptionGroup var output: OutputOptions

  func validate() throws {
    _ = try command.embedder(or: embedder)
    guard let dimension, !(1...65_536).contains(dimension) else { return }
    throw ValidationError("The dimension is \(dimension), it must lie in 1…65536.")
  }

  func run() async throws {
    if try isTaken() { throw StoreError(.storeExists, "\(store.store) exists already: choose another name, or remove it first") }
    let named = try command.embedder(or: embedder) ?? .none
    let options = StoreOptions(
      dimension: dimension, metric: metric, language: language, embedder: try await named.embedder(dimension: dimension))
    let made = try await MemoryStore.open(at: store.url, options: options)
    let identity = made.identity
    try await made.close()
    if output.json {
      try Output.json { json in
        json.beginObject()
        json.key("storeID")
        json.write(identity.storeID.uuidString.lowercased())
        json.writeShape(of: identity)
        json.endObject()
      }
    } else {
      let shape = identity.dimension.map { "\(Amounts.count($0, "dimension")), \(identity.metric.rawValue)" } ?? "no embeddings"
      try Output.line("created \(TerminalText.escaped(store.store)) (\(shape), embedder: \(identity.embedder?.name ?? "none"))")
    }
  }

  /// Whether the path exists already, other than as an empty directory.
  private func isTaken() throws -> Bool {
    var isDirectory: ObjCBool = false
    // SAFETY: the flag outlives the call.
    guard unsafe FileManager.default.fileExists(atPath: store.url.path, isDirectory: &isDirectory) else { return false }
    guard isDirectory.boolValue else { return true }
    return try !FileManager.default.contentsOfDirectory(atPath: store.url.path).isEmpty
  }
}

extension JSONWriter {
  /// Writes dimension, metric and embedder into the open object.
  mutating func writeShape(of identity: StoreIdentity) {
    key("dimension")
    writeOptional(identity.dimension)
    key("metric")
    write(identity.metric.rawValue)
    key("embedder")
    write(identity.embedder)
  }
}
