import ArgumentParser
import Engram
import Formats
import Foundation

struct Forget: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Erase a user from a store and from its files.",
    discussion: """
      Hides the user's memories, contexts and history in one commit, then rebuilds the files without them and waits until the \
      old files are gone: another process follows within a second or so, but a snapshot that it holds keeps them. \
      With --prove every file of the store is searched before and after for the user's hash and id, the ids and texts of memories and \
      contexts, and embeddings; what others have as well is not searched for, and counted. The exit code is 1 when the old files are \
      still there at the end of the wait, or when something was found.

      Of a user without records something may be left in the files, unless nothing was ever deleted. That is said first, and on a \
      terminal asked for, because the name may be misspelled.

      EXAMPLES
        memtool forget bot.memory --user maya --yes
        memtool forget bot.memory --user maya --yes --prove
      """)

  @OptionGroup var store: StoreArgument

  @Option(help: ArgumentHelp("Who is forgotten.", valueName: "id"))
  var user: String

  @Flag(help: "Do it: it cannot be undone.")
  var yes = false

  @Flag(help: "Search every file for what was erased, before and after.")
  var prove = false

  @OptionGroup var erasure: ErasureOptions

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard yes else { throw ValidationError("What is forgotten cannot be brought back: add --yes to go on.") }
  }

  func run() async throws {
    let isKnown = try await store.open(.readOnly) { store in try store.inspection(of: user, newest: 1) != nil }
    if !isKnown {
      Diagnostics.write("memtool: the store has no records of '\(TerminalText.escaped(user))'; what was deleted may still be in the files")
      guard Terminal.confirms("Rebuild the files all the same?") else { throw StoreError(.notFound, "nothing was changed") }
    }
    try await erasure.erase(.user(user), verifiesErasure: prove, from: store, json: output.json)
  }
}

/// Options and output that the erasing commands share.
struct ErasureOptions: ParsableArguments {
  @Option(help: ArgumentHelp("How long to wait for the old files to go.", valueName: "seconds"))
  var wait: Double = 30

  @Flag(help: "Show no progress.")
  var quiet = false

  func validate() throws {
    guard wait >= 0, wait < 1e6 else { throw ValidationError("--wait is \(wait), it must be a number of seconds from 0 on.") }
  }

  func erase(_ subject: ErasureReceipt.Subject, verifiesErasure: Bool, from store: StoreArgument, json: Bool) async throws {
    Interruption.leavesTime()
    let bar = ProgressBar(isQuiet: quiet || json)
    let wait = Duration.milliseconds(Int(wait * 1000))
    let receipt = try await store.open(.readWrite) { store in
      defer { bar.finish() }
      do {
        return try await store.erase(subject, timeout: wait, verifiesErasure: verifiesErasure, progress: bar.update)
      } catch is CancellationError {
        if try store.dueUpkeep == .erasure {
          Interruption.hasWritten("hidden from everybody; the next command that writes takes it out of the files")
        }
        throw CancellationError()
      }
    }
    if json { try Output.json { $0.write(receipt) } } else { try print(receipt) }
    if !receipt.isComplete {
      let holders = receipt.holders.map(String.init).joined(separator: ", ")
      throw StoreError(
        .stillInUse,
        "hidden from everybody, but the old files are still there: "
          + "processes that have them open: \(holders.isEmpty ? "unknown" : holders). They go when those let go")
    }
    if let scan = receipt.scan, !scan.isClean {
      Diagnostics.write("memtool: the files still hold something of what was erased")
      throw ExitCode(Failure.failed)
    }
  }

  private func print(_ receipt: ErasureReceipt) throws {
    for line in receipt.summary { try Output.line(line) }
    if let before = receipt.scanBefore, let after = receipt.scan { try print(before, after) }
    try Output.line("out of reach: \(ErasureReceipt.outOfReach.joined(separator: "; "))")
  }

  private func print(_ before: ErasureScan, _ after: ErasureScan) throws {
    var table = Table(["file", "searched", "found"], numbers: ["searched"])
    for (title, scan) in [("before", before), ("after", after)] {
      for file in scan.files where file.scannedBytes > 4096 || !file.hits.isEmpty {
        table.add(["\(title) \(file.name)", Amounts.bytes(file.scannedBytes), Self.text(file.hits)])
      }
      table.add(["\(title), \(Amounts.count(scan.files.count, "file"))", Amounts.bytes(scan.bytes), Self.text(scan.hits)])
    }
    try table.print()
    try Output.line(
      "searched for \(Self.text(after.searched)); not searched for, because others have it: \(Self.text(after.sharedWithSurvivors))")
    if !after.unsearchable.isEmpty { try Output.line("too short or too plain to search for: \(Self.text(after.unsearchable))") }
    for file in after.notScanned {
      try Output.line("not searched: \(TerminalText.escaped(file.name)) (\(Amounts.bytes(file.sizeBytes))): \(file.reason)")
    }
  }

  private static func text(_ counts: [ErasureScan.Kind: Int]) -> String {
    let parts = ErasureScan.Kind.allCases.compactMap { kind in counts[kind].map { "\($0) \(kind.rawValue)" } }
    return parts.isEmpty ? "nothing" : parts.joined(separator: ", ")
  }
}

extension JSONWriter {
  fileprivate mutating func write(_ receipt: ErasureReceipt) {
    beginObject()
    switch receipt.subject {
    case .user(let userID):
      key("userID")
      write(userID)
    case .memories(let ids, _):
      key("ids")
      beginArray()
      for id in ids { write("\(id)") }
      endArray()
    }
    for (name, count) in [
      ("memories", receipt.memories), ("embeddings", receipt.embeddings), ("contexts", receipt.contexts), ("versions", receipt.versions),
    ] {
      key(text: name)
      write(count)
    }
    key("hiddenBy")
    write(receipt.hiddenBy)
    key("hiddenAt")
    write(time: receipt.hiddenAt)
    key("rebuilt")
    write(receipt.isRebuilt)
    key("generation")
    write(receipt.generation)
    key("rebuiltAt")
    write(time: receipt.rebuiltAt)
    key("complete")
    write(receipt.isComplete)
    key("remainingGenerations")
    beginArray()
    for number in receipt.remainingGenerations { write(number) }
    endArray()
    key("holders")
    beginArray()
    for holder in receipt.holders { write(holder) }
    endArray()
    key("scanBefore")
    write(receipt.scanBefore)
    key("scan")
    write(receipt.scan)
    key("outOfReach")
    beginArray()
    for reason in ErasureReceipt.outOfReach { write(reason) }
    endArray()
    endObject()
  }

  private mutating func write(_ scan: ErasureScan?) {
    guard let scan else { return writeNull() }
    beginObject()
    key("clean")
    write(scan.isClean)
    key("bytes")
    write(scan.bytes)
    for (name, counts) in [
      ("searched", scan.searched), ("sharedWithSurvivors", scan.sharedWithSurvivors), ("unsearchable", scan.unsearchable),
      ("hits", scan.hits),
    ] {
      key(text: name)
      write(counts)
    }
    key("files")
    beginArray()
    for file in scan.files {
      beginObject()
      key("name")
      write(file.name)
      key("bytes")
      write(file.scannedBytes)
      key("hits")
      write(file.hits)
      endObject()
    }
    endArray()
    key("notScanned")
    beginArray()
    for file in scan.notScanned {
      beginObject()
      key("name")
      write(file.name)
      key("bytes")
      write(file.sizeBytes)
      key("reason")
      write(file.reason)
      endObject()
    }
    endArray()
    endObject()
  }

  private mutating func write(_ counts: [ErasureScan.Kind: Int]) {
    beginObject()
    for kind in ErasureScan.Kind.allCases {
      guard let count = counts[kind] else { continue }
      key(text: kind.rawValue)
      write(count)
    }
    endObject()
  }
}
