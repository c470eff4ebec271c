import ArgumentParser
import Engram
import Formats
import Foundation

struct Inspect: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a store, a user or a record consists of.",
    discussion: """
      Without options: counts, sizes of files and databases, the last commit, and the processes that hold snapshots. A \
      snapshot that lags many commits \
      behind keeps the file from reusing its pages.

      A record is a memory's id or the last digits of it, which --user makes shorter, or a context's user and type as USER/TYPE; it is \
      shown as it is stored, in CBOR diagnostic notation (RFC 8949, section 8) and as JSON.

      EXAMPLES
        memtool inspect bot.memory
        memtool inspect bot.memory --user maya
        memtool inspect bot.memory --record maya/UserContext
        memtool inspect bot.memory --user maya --record 00000000
        memtool inspect bot.memory --readers --json
      """)

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions

  @Option(help: ArgumentHelp("Show this user.", valueName: "id"))
  var user: String?

  @Option(help: ArgumentHelp("Show this record as it is stored.", valueName: "id|user/type"))
  var record: String?

  @Flag(help: "Show the reader table alone.")
  var readers = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if readers, user != nil || record != nil { throw ValidationError("Give either --readers, or --user and --record.") }
    if user != nil, let record, IDArgument(argument: record) == nil {
      throw ValidationError("With --user, --record is the id of a memory or the last digits of it.")
    }
  }

  func run() async throws {
    try await store.open(reading.access) { store in
      if let user, record == nil {
        guard let inspection = try store.inspection(of: user) else { throw StoreError(.notFound, "the store has no user '\(user)'") }
        try output.json ? Output.json { $0.write(inspection) } : printTables(inspection)
      } else if let record {
        guard let inspection = try inspect(record, store) else { throw StoreError(.notFound, "there is no record '\(record)'") }
        try output.json ? Output.json { $0.write(inspection) } : printFacts(inspection)
      } else {
        let inspection = try store.inspection()
        if readers {
          try printReaders(inspection.readers)
        } else {
          try output.json ? Output.json { $0.write(inspection) } : printTables(inspection)
        }
      }
    }
  }

  private func inspect(_ record: String, _ store: MemoryStore) throws -> RecordInspection? {
    if let id = IDArgument(argument: record) {
      let found = try id.resolved(of: user, in: store)
      if let user, try store.memory(found, for: user) == nil { return nil }
      return try store.recordInspection(of: found)
    }
    // The last slash separates them: a type has no slash, a userID may have some.
    guard let slash = record.lastIndex(of: "/") else {
      throw StoreError(.invalidArgument, "'\(record)' is neither a memory's id nor USER/TYPE")
    }
    return try store.recordInspection(of: String(record[record.index(after: slash)...]), userID: String(record[..<slash]))
  }

  // MARK: For people

  private func printTables(_ inspection: StoreInspection) throws {
    let (status, identity) = (inspection.status, inspection.identity)
    var facts = Facts()
    facts.add("store", identity.storeID.uuidString.lowercased())
    facts.add("format", "\(identity.format), generation \(status.generation)")
    facts.add("embeddings", identity.dimension.map { "\(Amounts.count($0, "dimension")), \(identity.metric.rawValue)" } ?? "none")
    facts.add("embedder", identity.embedder?.description ?? "none")
    facts.add("language", identity.language.rawValue)
    facts.add("memories", "\(status.memories)")
    facts.add("without embedding", inspection.withoutEmbedding.map { "\($0)" })
    facts.add("codes", inspection.hasCodes.map { $0 ? "4 bits a component" : "none" })
    facts.add("contexts", "\(status.contexts)")
    facts.add("users", "\(status.users)")
    facts.add("rows", "\(status.rowsLive) live of \(status.rowsAllocated)")
    facts.add("commits", "\(status.batchSequence)")
    facts.add("last commit", status.lastCommit.map(Times.text) ?? "none")
    if let jump = status.clockJump {
      let hours = jump.components.seconds / 3600
      facts.add(
        "clock",
        "moved \(Amounts.count(Int(abs(hours)), "hour")) \(hours < 0 ? "back" : "ahead") since the last commit, against the clock of the boot"
      )
    }
    try facts.print()
    try Output.line("")
    var files = Table(["file", "size", "on disk"], numbers: ["size", "on disk"])
    for file in inspection.files { files.add([file.name, Amounts.bytes(file.sizeBytes), Amounts.bytes(file.allocatedBytes)]) }
    try files.print()
    try Output.line("")
    var databases = Table(["database", "entries", "size"], numbers: ["entries", "size"])
    for database in inspection.databases { databases.add([database.name, "\(database.entries)", Amounts.bytes(database.sizeBytes)]) }
    try databases.print()
    if !inspection.missingTables.isEmpty {
      let names = inspection.missingTables.joined(separator: ", ")
      try Output.line("missing: \(names), which a store that stays open makes, or memtool compact")
    }
    try Output.line("")
    try printReaders(inspection.readers)
  }

  private func printReaders(_ readers: [StoreInspection.Reader]) throws {
    if output.json {
      for reader in readers { try Output.json { $0.write(reader) } }
      return
    }
    guard !readers.isEmpty else { return try Output.line("no other process reads the store") }
    var table = Table(["reader", "process", "snapshot", "commits behind"], numbers: ["reader", "snapshot", "commits behind"])
    for reader in readers {
      table.add([
        "\(reader.processID)", reader.isAlive ? "alive" : "dead", reader.transactionID.map(String.init) ?? "idle",
        reader.commitsBehind.map(String.init) ?? "",
      ])
    }
    try table.print()
  }

  private func printTables(_ inspection: UserInspection) throws {
    var facts = Facts()
    facts.add("user", inspection.userID)
    facts.add("memories", "\(inspection.memories)")
    facts.add("embeddings", "\(inspection.embeddings)")
    facts.add("contexts", "\(inspection.contexts.count)")
    try facts.print()
    if !inspection.contexts.isEmpty {
      try Output.line("")
      try ContextList.printTable(inspection.contexts)
    }
    guard !inspection.newest.isEmpty else { return }
    try Output.line("")
    var table = Table(["newest", "kind", "id", "text"], giving: ["kind": 10, "newest": nil])
    for memory in inspection.newest { table.add([Times.shown(memory.createdAt), memory.kind ?? "", memory.id.shown, memory.text]) }
    try table.print()
  }

  private func printFacts(_ inspection: RecordInspection) throws {
    var facts = Facts()
    facts.add("database", inspection.database)
    facts.add("key", inspection.key)
    facts.add("size", "\(Amounts.count(inspection.sizeBytes, "byte")), checksum correct")
    if let row = inspection.row {
      let found = row.foundChecksum.map { $0 == row.expectedChecksum ? "correct" : "WRONG" } ?? "MISSING"
      facts.add("row", "\(row.number), block \(row.block), checksum \(found)")
    }
    facts.add("record", inspection.diagnosticText)
    facts.add("as JSON", inspection.json)
    try facts.print()
  }
}
