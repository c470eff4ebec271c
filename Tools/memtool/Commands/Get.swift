import ArgumentParser
import Engram
import Formats

struct Get: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show one memory.",
    discussion: """
      EXAMPLES
        memtool get bot.memory 019b76da-a800-7000-8000-000000000000
        memtool get bot.memory 00000000 --user maya
        memtool get bot.memory 019b76da-a800-7000-8000-000000000000 --vector --json
        memtool get bot.memory 00000000 --history
      """)

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions

  @Argument(help: "The memory's id, or its last digits: at least four, as many as only one memory has.")
  var id: IDArgument

  @Option(help: ArgumentHelp("Whose memory it is.", valueName: "id"))
  var user: String?

  @Flag(help: "Show the embedding, too.")
  var vector = false

  @Flag(help: "Show the earlier versions, too, the newest first.")
  var history = false

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let (memory, embedding, versions) = try await store.open(reading.access) { store in
      let id = try id.resolved(of: user, in: store)
      let owner = try user ?? store.owners(of: [id])[id]
      return try store.read { snapshot in
        guard let owner, let memory = try snapshot.memory(id, for: owner) else {
          throw StoreError(.notFound, "there is no memory \(id)" + (user.map { " of the user '\($0)'" } ?? ""))
        }
        return (
          memory, vector ? try snapshot.embedding(of: id, for: owner) : nil,
          history ? try snapshot.history(of: id, for: owner, limit: .max) : []
        )
      }
    }
    if output.json {
      try Output.json { json in
        json.beginObject()
        json.writeFields(of: memory)
        json.key("version")
        json.write(memory.version)
        if vector {
          json.key("embedding")
          if let embedding { json.writeFloats(embedding.values) } else { json.writeNull() }
        }
        if history {
          json.key("history")
          json.beginArray()
          for version in versions {
            json.beginObject()
            json.key("version")
            json.write(version.version)
            json.key("updatedAt")
            json.write(time: version.updatedAt)
            json.writeFields(of: version)
            json.endObject()
          }
          json.endArray()
        }
        json.endObject()
      }
    } else {
      try print(memory, embedding)
      if history { try Self.printTable(versions) }
    }
  }

  private static func printTable(_ versions: [Memory]) throws {
    var table = Table(["version", "stored", "kind", "importance", "text"], numbers: ["version"])
    for version in versions {
      table.add([
        "\(version.version)", Times.text(version.updatedAt), version.kind ?? "", "\(version.importance)", version.text,
      ])
    }
    try table.print()
  }

  private func print(_ memory: Memory, _ embedding: Embedding?) throws {
    var facts = Facts()
    facts.add("id", memory.id.description)
    facts.add("user", memory.userID)
    facts.add("text", memory.text)
    facts.add("kind", memory.kind)
    facts.add("session", memory.sessionID)
    facts.add("speaker", memory.speaker)
    facts.add("created", Times.text(memory.createdAt))
    if memory.version > 1 { facts.add("version", "\(memory.version), stored \(Times.text(memory.updatedAt))") }
    facts.add("importance", "\(memory.importance)")
    facts.add("expires", memory.expiresAt.map(Times.text))
    facts.add("dedupe key", memory.dedupeKey)
    if !memory.metadata.isEmpty {
      var json = JSONWriter()
      json.write(memory.metadata)
      facts.add("metadata", json.string)
    }
    if !memory.tags.isEmpty { facts.add("tags", memory.tags.joined(separator: ", ")) }
    facts.add("caption", memory.caption)
    facts.add("valid from", memory.validFrom.map(Times.text))
    facts.add("valid until", memory.validUntil.map(Times.text))
    facts.add("source", memory.source)
    facts.add("trust", memory.trust?.rawValue)
    if !memory.derivedFrom.isEmpty { facts.add("derived from", memory.derivedFrom.map(\.description).joined(separator: ", ")) }
    facts.add("replaces", memory.replaces?.description)
    facts.add("superseded by", memory.supersededBy?.description)
    if vector {
      var json = JSONWriter()
      if let embedding { json.writeFloats(embedding.values) }
      facts.add("embedding", embedding == nil ? "none" : json.string)
    }
    try facts.print()
  }
}
