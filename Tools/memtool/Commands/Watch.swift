import ArgumentParser
import Engram
import Formats
import Foundation

struct Watch: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print the committed changes of a store as they come.",
    discussion: """
      Changes of all processes, in the order of commits: the number of the commit, the user, what was changed, and its id or type. A \
      memory is shown as it is when the line is printed, so that two changes soon after each other may show the same text. The command \
      ends at SIGINT or SIGTERM, or when its reader is gone; after a signal, standard error says with which --after to go on: nothing \
      is missed or printed twice.

      The store keeps a log of some of its last changes. If it no longer has those after the commit that --after names, the first \
      change is 'lagged': read again what you keep of the store.

      EXAMPLES
        memtool watch bot.memory --user maya --after 0 | head -n 1
        memtool watch bot.memory --after 0 --json | head -n 1 | jq .change
      """)

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions

  @Option(help: ArgumentHelp("Only changes of this user.", valueName: "id"))
  var user: String?

  @Option(help: ArgumentHelp("Begin with the changes after this commit; by default with those to come.", valueName: "commit"))
  var after: UInt64?

  @OptionGroup var output: OutputOptions

  func run() async throws {
    Terminal.ignoreBrokenPipe()
    let last = try await store.open(reading.access) { store in
      let start = try after ?? store.status.batchSequence
      let follower = Follower(store: store, changes: try store.changes(for: user, after: start), start: start, json: output.json)
      if Terminal.diagnosticsAreTerminal { Diagnostics.write("memtool: following the changes after commit \(start)") }
      let following = Task { try await follower.run() }
      Terminal.whenOutputCloses { following.cancel() }
      return try await withTaskCancellationHandler {
        try await following.value
      } onCancel: {
        following.cancel()
      }
    }
    if Interruption.signal != nil { Diagnostics.write("memtool: go on with --after \(last)") }
  }

  private struct Follower: Sendable {
    let store: MemoryStore
    let changes: ChangeSequence
    let start: UInt64
    let json: Bool

    /// Returns the last commit whose changes were printed. Those of one commit come together, so a cancellation does not part them.
    func run() async throws -> UInt64 {
      var last = start
      for try await change in changes {
        do {
          try print(change)
        } catch {
          if Terminal.outputIsClosed { return last }
          throw error
        }
        last = change.batchSequence
      }
      return last
    }

    private func print(_ change: StoreChange) throws {
      let name: String
      var subject: String?
      var memory: Memory?
      switch change.kind {
      case .memoryPut(let id):
        (name, subject) = ("memoryPut", json ? id.description : id.shown)
        memory = try store.memory(id, for: change.userID)
      case .memoryDeleted(let id): (name, subject) = ("memoryDeleted", json ? id.description : id.shown)
      case .contextPut(let type): (name, subject) = ("contextPut", type)
      case .contextDeleted(let type): (name, subject) = ("contextDeleted", type)
      case .lagged: name = "lagged"
      }
      guard json else {
        let words = ["\(change.batchSequence)", change.userID, name, subject ?? "", memory?.text ?? ""].filter { !$0.isEmpty }
        let line = words.map(TerminalText.escaped).joined(separator: "  ")
        return try Output.line(Terminal.outputWidth.map { TerminalText.truncated(line, to: $0) } ?? line)
      }
      try Output.json { json in
        json.beginObject()
        json.key("commit")
        json.write(change.batchSequence)
        json.key("change")
        json.write(name)
        if change.kind != .lagged {
          json.key("userID")
          json.write(change.userID)
        }
        switch change.kind {
        case .memoryPut:
          json.key("id")
          json.writeOptional(subject)
          json.key("memory")
          if let memory { json.writeObject(of: memory) } else { json.writeNull() }
        case .memoryDeleted:
          json.key("id")
          json.writeOptional(subject)
        case .contextPut, .contextDeleted:
          json.key("recordType")
          json.writeOptional(subject)
        case .lagged: break
        }
        json.endObject()
      }
    }
  }
}
