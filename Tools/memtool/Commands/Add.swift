import ArgumentParser
import Engram
import Formats
import Foundation

struct Add: AsyncParsableCommand, TakesDefaultUser {
  static let configuration = CommandConfiguration(
    abstract: "Add one memory and print its id.",
    discussion: """
      The store's embedder makes the embedding, unless one is given. A memory of the same user with the same dedupe key is \
      not added twice: its id is printed, and standard error says so, as for one that has expired already. With --json the key \
      outcome is added, existing or expired.

      \(TimeArgument.help)

      EXAMPLES
        memtool add bot.memory --user maya 'Maya is a vegetarian.' \\
          --kind fact --metadata topic=food
        memtool add bot.memory --user -100123 '- buy milk'
        echo 'a long text' | memtool add bot.memory --user maya -
      """)

  @OptionGroup var store: StoreArgument

  @Argument(help: "The text; - is standard input.")
  var text: String

  @Option(help: UserHelp.required("Whose memory it is."))
  var user: String

  @Option(help: "What sort of memory it is, such as fact or message.")
  var kind: String?

  @Option(help: ArgumentHelp("The session it comes from.", valueName: "id"))
  var session: String?

  @Option(help: ArgumentHelp("Who said it.", valueName: "name"))
  var speaker: String?

  @Option(help: "How important it is, from 0 to 1.")
  var importance = 0.5

  @Option(help: ArgumentHelp("From when on it counts as absent; 7d is in seven days.", valueName: "time"), transform: TimeArgument.future)
  var expiresAt: TimeArgument?

  @Option(help: ArgumentHelp("A key that no other memory of the user has.", valueName: "key"))
  var dedupeKey: String?

  @Option(help: ArgumentHelp("A value to keep with it; may be given more than once.", valueName: "key=value"))
  var metadata: [MetadataArgument] = []

  @Option(help: ArgumentHelp("A word to filter by; may be given more than once.", valueName: "tag"))
  var tag: [String] = []

  @Option(help: "What a picture that belongs to it shows.")
  var caption: String?

  @Option(help: ArgumentHelp("When what it says begins to hold.", valueName: "time"), transform: TimeArgument.past)
  var validFrom: TimeArgument?

  @Option(help: ArgumentHelp("From when on it no longer holds.", valueName: "time"), transform: TimeArgument.future)
  var validUntil: TimeArgument?

  @Option(help: ArgumentHelp("Where it comes from, such as an address.", valueName: "words"))
  var source: String?

  @Option(help: "How far it can be relied on.")
  var trust: Trust?

  @Option(help: ArgumentHelp("The id of a memory of the user that it takes the place of; searches find that one no more.", valueName: "id"))
  var replaces: MemoryID?

  @Option(help: ArgumentHelp("The id of a memory of the user that it is made of; may be given more than once.", valueName: "id"))
  var derivedFrom: [MemoryID] = []

  @Flag(help: "It takes the place of those in --derived-from, as a summary does: searches leave them out. delete --retract undoes it.")
  var supersedeOrigins = false

  @Option(help: ArgumentHelp("Its embedding: a JSON array, or a file that holds one.", valueName: "file|json"))
  var vector: VectorArgument?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if supersedeOrigins, derivedFrom.isEmpty { throw ValidationError("--supersede-origins needs at least one --derived-from <id>.") }
    var keys: Set<String> = []
    for pair in metadata where !keys.insert(pair.key).inserted { throw ValidationError("The metadata key '\(pair.key)' is given twice.") }
  }

  func run() async throws {
    let draft = MemoryDraft(
      userID: user, text: try InputFile.text(text), embedding: try vector?.embedding(), kind: kind, sessionID: session, speaker: speaker,
      importance: importance, expiresAt: expiresAt?.date, dedupeKey: dedupeKey,
      metadata: Dictionary(metadata.map { ($0.key, $0.value) }) { first, _ in first }, tags: tag,
      caption: caption, validFrom: validFrom?.date, validUntil: validUntil?.date, source: source, trust: trust,
      derivedFrom: derivedFrom, supersedesOrigins: supersedeOrigins, replaces: replaces)
    let added = try await store.open(.readWrite, embeds: true) { store in try await store.add(draft) }
    switch added.outcome {
    case .added: if Terminal.diagnosticsAreTerminal { Diagnostics.write("memtool: added") }
    case .updated: Diagnostics.write("memtool: the user's memory with the same dedupe key was replaced")
    case .existing: Diagnostics.write("memtool: nothing was added: the user has this memory with the same dedupe key")
    case .expired: Diagnostics.write("memtool: it had expired when it was added, so nobody will see it")
    }
    if output.json {
      try Output.json { json in
        json.beginObject()
        json.key("id")
        json.write(added.id.description)
        json.key("outcome")
        json.write(added.outcome.rawValue)
        json.endObject()
      }
    } else {
      try Output.line(added.id.description)
    }
  }
}
