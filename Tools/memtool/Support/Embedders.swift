import ArgumentParser
import Engram
import EngramBERT
import Foundation

/// A kind of embedder that the command line can name.
struct EmbedderMaker: Sendable {
  /// As help shows it: the name, and behind a colon what its maker needs, such as `bert:DIRECTORY`.
  let form: String
  /// What it does, for help.
  let summary: String
  /// Makes the one that `--embedder` names.
  ///
  /// - Parameters:
  ///   - argument: What follows the colon; empty if the form has none.
  ///   - dimension: As `--dimension` says; nil: the maker's choice.
  /// - Returns: Nil: no embedder.
  /// - Throws: ``ValidationError``, ``StoreError``.
  let make: @Sendable (_ argument: String, _ dimension: Int?) throws -> (any Embedder)?
  /// Makes the one that a store is pinned to; nil if another maker made it, or the identity alone is not enough.
  let remake: @Sendable (EmbedderIdentity) -> (any Embedder)?

  var name: String { String(form.prefix { $0 != ":" }) }
  var takesArgument: Bool { form.contains(":") }
}

/// The embedders of memtool. A new one is one more entry: names, help and errors follow from the table.
enum Embedders {
  static let all: [EmbedderMaker] = [
    EmbedderMaker(form: "none", summary: "texts have no embeddings, unless they bring them") { _, _ in
      nil
    } remake: { _ in
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
        throw ValidationError("The model has \(bert.identity.dimension) dimensions: leave --dimension out.")
      }
      return bert
    } remake: { _ in
      nil
    },
  ]

  /// `none|hashing`, as usage lines show it.
  static var forms: String { all.map(\.form).joined(separator: "|") }

  /// `none: …; hashing: …`, as help shows it.
  static var summaries: String { all.map { "\($0.form): \($0.summary)" }.joined(separator: "; ") }

  /// The variable of the environment that names the embedder of existing stores, in the form of `--embedder`: the identity does not say where a model is.
  static let variable = "MEMTOOL_EMBEDDER"

  /// The embedder that a store is pinned to. If neither the identity nor the environment is enough to make it, one that says so when it is used.
  ///
  /// - Parameter named: What ``variable`` says; nil: nothing.
  /// - Throws: ``StoreError`` `.embedderMismatch` if that is another embedder, and what its maker throws; ``ValidationError``.
  static func embedder(
    for pinned: EmbedderIdentity, named: String? = ProcessInfo.processInfo.environment[variable]
  ) throws -> any Embedder {
    for maker in all { if let embedder = maker.remake(pinned) { return embedder } }
    if let named, let embedder = try EmbedderArgument(parsing: named).embedder(dimension: nil) {
      guard embedder.identity == pinned else {
        throw StoreError(
          .embedderMismatch, "the store is pinned to the embedder '\(pinned)', and \(variable) names another: '\(embedder.identity)'")
      }
      return embedder
    }
    return MissingEmbedder(identity: pinned)
  }
}

/// What `--embedder` names.
struct EmbedderArgument: Sendable, CustomStringConvertible {
  let description: String
  private let maker: EmbedderMaker
  private let argument: String

  // The table's first entries take no argument.
  static let none = EmbedderArgument(Embedders.all[0])
  static let hashing = EmbedderArgument(Embedders.all[1])

  private init(_ maker: EmbedderMaker) { self.init(description: maker.name, maker: maker, argument: "") }

  private init(description: String, maker: EmbedderMaker, argument: String) {
    self.description = description
    self.maker = maker
    self.argument = argument
  }

  /// - Throws: ``ValidationError`` that says which names there are.
  init(parsing text: String) throws {
    let name = String(text.prefix { $0 != ":" })
    let argument = String(text.dropFirst(name.count + 1))
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
  func embedder(dimension: Int?) throws -> (any Embedder)? { try maker.make(argument, dimension) }
}

/// Takes the place of an embedder that this program does not have: fails when it is used, and names it.
private struct MissingEmbedder: Embedder {
  let identity: EmbedderIdentity

  func embed(_ texts: [String]) async throws -> [Embedding] {
    throw StoreError(
      .embedderRequired,
      "the store needs the embedder '\(identity)', which memtool does not have: name it with \(Embedders.variable)=bert:DIRECTORY, or give embeddings or a vector instead of a text"
    )
  }
}
