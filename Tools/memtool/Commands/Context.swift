import ArgumentParser
import Engram
import Formats

struct Context: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show, store and list contexts: the immutable profiles of users.",
    subcommands: [ContextGet.self, ContextSet.self, ContextList.self])
}

struct ContextGet: AsyncParsableCommand, TakesDefaultUser {
  static let configuration = CommandConfiguration(
    commandName: "get",
    abstract: "Print a context.",
    discussion: """
      On a terminal, one field a line, with the times of a UserContext as dates. Otherwise, and with --raw or --json, the record as JSON, \
      which context set takes back.

      EXAMPLES
        memtool context get bot.memory --user maya
        memtool context get bot.memory --user maya --type Mood --raw
      """)

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions

  @Option(help: UserHelp.required("Whose context."))
  var user: String

  @Option(help: ArgumentHelp("The type of record.", valueName: "name"))
  var type = UserContext.recordType

  @Flag(help: "Print the record as it is, as JSON.")
  var raw = false

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let value = try await store.open(reading.access) { store in try store.contextJSON(type, for: user) }
    guard let value else { throw StoreError(.notFound, "the user '\(user)' has no \(type)") }
    guard Terminal.outputIsTerminal, !raw, !output.json else { return try Output.json { $0.write(json: value) } }
    try ContextFacts.print(json: value, recordType: type, userID: user)
  }
}

struct ContextSet: AsyncParsableCommand, TakesDefaultUser {
  static let configuration = CommandConfiguration(
    commandName: "set",
    abstract: "Store a context; the one it replaces becomes history.",
    discussion: """
      The JSON object is the whole record: nothing of the earlier one is kept in it. The key userID may be left out.

      EXAMPLES
        memtool context set bot.memory --user maya \\
          '{"friendshipLevel":3,"firstSeen":1767225600000}'
        memtool context get old.memory --user maya | \\
          memtool context set new.memory --user maya -
      """)

  @OptionGroup var store: StoreArgument

  @Argument(help: "A JSON object; - is standard input.")
  var json: String

  @Option(help: UserHelp.required("Whose context."))
  var user: String

  @Option(help: ArgumentHelp("The type of record.", valueName: "name"))
  var type = UserContext.recordType

  @Option(help: ArgumentHelp("The schema version of the record.", valueName: "n"))
  var schema = 1

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let value = json == "-" ? try InputFile.read("-") : Array(json.utf8)
    try await store.open(.readWrite) { store in try await store.putContext(json: value, as: type, for: user, schema: schema) }
    guard output.json else { return }
    try Output.json { json in
      json.beginObject()
      json.key("userID")
      json.write(user)
      json.key("recordType")
      json.write(type)
      json.endObject()
    }
  }
}

struct ContextList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List contexts by user and type.",
    discussion: """
      EXAMPLES
        memtool context list bot.memory
        memtool context list bot.memory --user maya --json
      """)

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions

  @Option(help: ArgumentHelp("Only those of this user.", valueName: "id"))
  var user: String?

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let contexts = try await store.open(reading.access) { store in
      try store.saysIfUnknown(user)
      return try store.contexts(of: user)
    }
    if output.json {
      for context in contexts { try Output.json { $0.write(context) } }
    } else {
      try Self.printTable(contexts)
    }
  }

  static func printTable(_ contexts: [UserInspection.Context]) throws {
    var table = Table(["user", "type", "version", "schema", "updated", "bytes"], numbers: ["version", "schema", "bytes"])
    for context in contexts {
      table.add([
        context.userID, context.recordType, "\(context.version)", "\(context.schema)", Times.text(context.updatedAt),
        "\(context.sizeBytes)",
      ])
    }
    try table.print()
  }
}

extension JSONWriter {
  mutating func write(_ context: UserInspection.Context) {
    beginObject()
    key("userID")
    write(context.userID)
    key("recordType")
    write(context.recordType)
    key("version")
    write(context.version)
    key("schema")
    write(context.schema)
    key("updatedAt")
    write(time: context.updatedAt)
    key("bytes")
    write(context.sizeBytes)
    endObject()
  }
}
