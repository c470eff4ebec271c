import ArgumentParser
import Engram
import EngramBERT
import Formats
import Foundation

/// A kind of embedder that the command line can name.
struct EmbedderMaker: Sendable {
  /// The form that help shows: the name, and after a colon what its maker needs, such as `bert:DIRECTORY`.
  let form: String
  /// What it does, for help.
  let summary: String
  /// Makes the embedder that `--embedder` names.
  ///
  /// - Parameters:
  ///   - argument: What follows the colon; empty if the form has none.
  ///   - dimension: The value of `--dimension`; nil: the maker chooses.
  /// - Returns: Nil: no embedder.
  /// - Throws: ``ValidationError``, ``StoreError``.
  let make: @Sendable (_ argument: String, _ dimension: Int?) async throws -> (any Embedder)?
  /// Makes the embedder that a store is pinned to; nil if another maker made it, or the identity alone is not enough.
  var remake: @Sendable (EmbedderIdentity) -> (any Embedder)? = { _ in nil }
  /// Whether the maker asks a server for the dimension if none is given.
  var asksForDimension = false

  var name: String { String(form.prefix { $0 != ":" }) }
  var takesArgument: Bool { form.contains(":") }
}

/// The embedders of memtool. A new one is one more entry: names, help and errors follow from the table.
enum Embedders {
  static let all: [EmbedderMaker] = [
    EmbedderMaker(form: "none", summary: "texts have no embeddings, unless they bring them") { _, _ in
      nil
    },
    EmbedderMaker(form: "hashing", summary: "compares words and parts of words, without a model; 384 dimensions by default") {
      _, dimension in
      HashingEmbedder(dimension: dimension ?? 384)
    } remake: { identity in
      guard (1...65_536).contains(identity.dimension) else { return nil }
      let hashing = HashingEmbedder(dimension: identity.dimension)
      return hashing.identity == identity ? hashing : nil
    },
    EmbedderMaker(form: "bert:DIRECTORY", summary: "a BERT encoder in a local folder, as published for sentence-transformers") {
      directory, dimension in
      let bert = try BertEmbedder(directory: URL(fileURLWithPath: directory, isDirectory: true))
      guard dimension == nil || dimension == bert.identity.dimension else {
        throw ValidationError("The model has \(Amounts.count(bert.identity.dimension, "dimension")): leave --dimension out.")
      }
      return bert
    },
    EmbedderMaker(
      form: "http:URL#MODEL", summary: "a server with the endpoint /v1/embeddings of OpenAI, such as Ollama; the key is in OPENAI_API_KEY",
      make: { argument, dimension in try await HTTPEmbedderArgument(parsing: argument).embedder(dimension: dimension) },
      asksForDimension: true),
    EmbedderMaker(form: "command:CMD", summary: "a program of your own, see --embed-command") { command, _ in
      try await CommandEmbedder(command)
    },
  ]

  /// `none|hashing`, as usage lines show it.
  static var forms: String { all.map(\.form).joined(separator: "|") }

  /// `none: …; hashing: …`, as help shows it.
  static var summaries: String { all.map { "\($0.form): \($0.summary)" }.joined(separator: "; ") }

  /// The variable of the environment that names the embedder of existing stores, in the form of `--embedder`: the identity does not say
  /// where a model is.
  static let variable = "MEMTOOL_EMBEDDER"

  /// The embedder that a store is pinned to. If neither the identity nor the environment is enough to make it, one that throws when used.
  ///
  /// - Parameter named: The value of ``variable``; nil if it is not set.
  /// - Throws: ``StoreError`` `.embedderMismatch` if that is another embedder, and what its maker throws; ``ValidationError``.
  static func embedder(
    for pinned: EmbedderIdentity, named: String? = ProcessInfo.processInfo.environment[variable]
  ) async throws -> any Embedder {
    for maker in all { if let embedder = maker.remake(pinned) { return embedder } }
    if let named, let embedder = try await EmbedderArgument(parsing: named).embedder(of: pinned) {
      guard embedder.identity == pinned else {
        throw StoreError(
          .embedderMismatch, "the store is pinned to the embedder '\(pinned)', and \(variable) names another: '\(embedder.identity)'")
      }
      return embedder
    }
    return MissingEmbedder(identity: pinned)
  }
}

/// The value of `--embedder`.
struct EmbedderArgument: Sendable, CustomStringConvertible {
  let description: String
  private let maker: EmbedderMaker
  private let argument: String

  // The table's first entries take no argument.
  static let none = EmbedderArgument(Embedders.all[0])
  static let hashing = EmbedderArgument(Embedders.all[1])

  private init(_ maker: EmbedderMaker) { self.init(description: maker.name, maker: maker, argument: "") }

  /// A program, as `--embed-command` names it.
  static func command(_ command: String) throws -> EmbedderArgument { try EmbedderArgument(parsing: "command:\(command)") }

  private init(description: String, maker: EmbedderMaker, argument: String) {
    self.description = description
    self.maker = maker
    self.argument = argument
  }

  /// - Throws: ``ValidationError`` that says which names there are.
  init(parsing text: String) throws {
    // `http://host#model` and `https://host#model` are taken as well as `http:http://host#model`.
    let isAddress = text.hasPrefix("http://") || text.hasPrefix("https://")
    let name = isAddress ? "http" : String(text.prefix { $0 != ":" })
    let argument = isAddress ? text : String(text.dropFirst(name.count + 1))
    guard let maker = Embedders.all.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
      let known = Embedders.all.map(\.form).joined(separator: ", ")
      throw ValidationError("\(Spelling.unknown("embedder", name, Embedders.all.map(\.name))) There are: \(known).")
    }
    if maker.takesArgument, argument.isEmpty { throw ValidationError("The embedder '\(maker.name)' is given as \(maker.form).") }
    if !maker.takesArgument, text.utf8.count > name.utf8.count {
      throw ValidationError("The embedder '\(maker.name)' takes nothing behind its name.")
    }
    self.init(description: text, maker: maker, argument: argument)
  }

  /// - Returns: Nil: no embedder.
  func embedder(dimension: Int?) async throws -> (any Embedder)? { try await maker.make(argument, dimension) }

  /// The embedder, for a store that is pinned to `pinned`, this one or another. No server is asked: the dimension is that of `pinned`.
  fileprivate func embedder(of pinned: EmbedderIdentity) async throws -> (any Embedder)? {
    try await maker.make(argument, maker.asksForDimension ? pinned.dimension : nil)
  }
}

/// The option `--embed-command`, which every command with `--embedder` has.
struct EmbedCommandOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "In place of --embedder: a shell command that embeds. It is started once, gets a line {\"text\":\"…\",\"kind\":\"passage\"} or kind \"query\" for each "
        + "text, and answers each at once with a line: an array of numbers, or {\"embedding\":[…],\"model\":\"…\"}. The store is pinned to the "
        + "model that its first answer names, and to the dimension. For existing stores: \(Embedders.variable)=command:CMD.",
      valueName: "cmd"))
  var embedCommand: String?

  /// - Returns: Nil if neither this one nor `--embedder` is given.
  /// - Throws: ``ValidationError`` if both are.
  func embedder(or named: EmbedderArgument?) throws -> EmbedderArgument? {
    guard let embedCommand else { return named }
    if named != nil { throw ValidationError("Give either --embedder or --embed-command, not both.") }
    return try .command(embedCommand)
  }
}

/// Takes the place of an embedder that this program does not have: fails when it is used, and names it.
private struct MissingEmbedder: Embedder {
  let identity: EmbedderIdentity

  func embed(_ texts: [String]) async throws -> [Embedding] {
    throw StoreError(
      .embedderRequired,
      "the store needs the embedder '\(identity)', which memtool does not have: name it in \(Embedders.variable), in the form of --embedder, or give embeddings or a vector instead of a text"
    )
  }
}
