import ArgumentParser
import Engram
import Formats
import Foundation

struct Edit: AsyncParsableCommand, TakesDefaultUser {
  static let configuration = CommandConfiguration(
    abstract: "Change a memory; the version before becomes history.",
    discussion: """
      What is not named stays. The store's embedder makes the embedding of a new text, unless one is given. With --if-version, nothing is \
      changed if somebody else changed the memory meanwhile: get --json and list --json show the version.

      \(TimeArgument.help)

      EXAMPLES
        memtool edit bot.memory --user maya 00000000 \\
          --text 'She drinks black tea.' --importance 0.9
        memtool edit bot.memory --user maya 00000000 --expires-at 30d \\
          --tag food --if-version 1
        memtool edit bot.memory --user maya 00000000 --clear kind
      """)

  /// A field that can be emptied.
  enum Field: String, ExpressibleByArgument, CaseIterable {
    case kind, expiry, tags
  }

  @OptionGroup var store: StoreArgument

  @Argument(help: "The memory's id, or its last digits: at least four, as many as only one memory of the user has.")
  var id: IDArgument

  @Option(help: UserHelp.required("Whose memory it is."))
  var user: String

  @Option(help: "The new text; - is standard input.")
  var text: String?

  @Option(help: "What sort of memory it is, such as fact or message.")
  var kind: String?

  @Option(help: "How important it is, from 0 to 1.")
  var importance: Double?

  @Option(help: ArgumentHelp("From when on it counts as absent; 7d is in seven days.", valueName: "time"), transform: TimeArgument.future)
  var expiresAt: TimeArgument?

  @Option(help: ArgumentHelp("A tag to add; may be given more than once.", valueName: "tag"))
  var tag: [String] = []

  @Option(help: ArgumentHelp("A tag to remove; may be given more than once.", valueName: "tag"))
  var removeTag: [String] = []

  @Option(help: ArgumentHelp("A field to empty; may be given more than once.", valueName: "kind|expiry|tags"))
  var clear: [Field] = []

  @Option(help: ArgumentHelp("The embedding of the new text: a JSON array, or a file that holds one.", valueName: "file|json"))
  var vector: VectorArgument?

  @Option(help: ArgumentHelp("Change nothing unless the memory has this version.", valueName: "n"))
  var ifVersion: Int?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if text == nil, kind == nil, importance == nil, expiresAt == nil, tag.isEmpty, removeTag.isEmpty, clear.isEmpty, vector == nil {
      throw ValidationError("Say what to change, such as --text, --kind, --importance, --expires-at, --tag or --clear.")
    }
    if kind != nil, clear.contains(.kind) { throw ValidationError("Give either --kind or --clear kind, not both.") }
    if expiresAt != nil, clear.contains(.expiry) { throw ValidationError("Give either --expires-at or --clear expiry, not both.") }
    if let both = tag.first(where: removeTag.contains) { throw ValidationError("The tag '\(both)' is both added and removed.") }
  }

  func run() async throws {
    let change = Change(
      text: try text.map(InputFile.text), kind: clear.contains(.kind) ? .some(nil) : kind.map { $0 }, importance: importance,
      expiresAt: clear.contains(.expiry) ? .some(nil) : expiresAt.map(\.date), added: tag, removed: Set(removeTag),
      clearsTags: clear.contains(.tags))
    let embedding = try vector?.embedding()
    let stored = try await store.open(.readWrite, embeds: text != nil && vector == nil) { store in
      let id = try id.resolved(of: user, in: store)
      return try await Advised.running {
        try await store.update(id, for: user, ifVersion: ifVersion, embedding: embedding) { change.applied(to: $0) }
      } advice: {
        [.embeddingRequired, .embedderRequired].contains($0.code) ? "--vector gives the embedding of the new text" : nil
      }
    }
    if output.json {
      try Output.json { $0.writeObject(of: stored) }
    } else {
      try Output.line("edited \(stored.id): version \(stored.version)")
    }
  }

  private struct Change: Sendable {
    let text: String?
    let kind: String??
    let importance: Double?
    let expiresAt: Date??
    let added: [String]
    let removed: Set<String>
    let clearsTags: Bool

    func applied(to memory: Memory) -> Memory {
      let kept = clearsTags ? [] : memory.tags.filter { !removed.contains($0) }
      return memory.with(text: text, kind: kind, importance: importance, expiresAt: expiresAt, tags: kept + added)
    }
  }
}
