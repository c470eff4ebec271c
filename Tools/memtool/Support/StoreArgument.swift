import ArgumentParser
import Engram
import Formats
import Foundation

/// The store that a command works on.
struct StoreArgument: ParsableArguments {
  @Argument(help: "The store's directory; MEMTOOL_STORE if it is left out.", completion: .directory)
  var store: String

  var url: URL { URL(fileURLWithPath: store) }

  /// Opens the store, lends it to `body` and closes it again.
  ///
  /// A snapshot is kept for as long as the command needs it. Nothing is created.
  /// - Parameters:
  ///   - embeds: Whether the command embeds texts: the store then gets the embedder that it is pinned to.
  ///   - embedder: The embedder that the command line names: a store that is pinned to none is pinned to it from then on.
  ///   - finishesUpkeep: False for a command that runs long: the store does its upkeep meanwhile, and the command ends at once.
  func open<Value>(
    _ access: StoreOptions.Access, embeds: Bool = false, embedder: (any Embedder)? = nil, finishesUpkeep: Bool = true,
    _ body: (MemoryStore) async throws -> Value
  ) async throws -> Value {
    var options = StoreOptions(access: access, createsIfMissing: false, embedder: embedder, snapshotMaxAge: nil)
    var store = try await Advised.running {
      try await MemoryStore.open(at: url, options: options)
    } advice: {
      access == .readOnly ? Advised.reading($0) : nil
    }
    if embeds, embedder == nil, let pinned = store.identity.embedder {
      let first = store
      // The handles share the files: nothing is opened twice.
      do {
        options.embedder = try await Embedders.embedder(for: pinned)
        store = try await MemoryStore.open(at: url, options: options)
      } catch {
        try? await first.close()
        throw error
      }
      try await first.close()
    }
    let value: Value
    do {
      value = try await body(store)
      if access == .readWrite {
        Interruption.hasWritten("the command had done its work")
        if finishesUpkeep { await finishUpkeep(of: store) }
      }
    } catch {
      // The first error is the one to report.
      try? await store.close()
      throw error
    }
    try await store.close()
    return value
  }
}

extension StoreArgument {
  /// Finishes an interrupted erasure, or a compaction or an index that is due: a store that only short commands use would never do so.
  ///
  /// The changes of the command itself are committed; a failure here is reported, and does not make the command fail.
  private func finishUpkeep(of opened: MemoryStore) async {
    do {
      guard let due = try opened.dueUpkeep else { return }
      let bar = ProgressBar(isQuiet: false)
      defer { bar.finish() }
      do {
        try await opened.finishUpkeep(timeout: due == .erasure ? .seconds(30) : .seconds(1), progress: bar.update)
      } catch {
        bar.finish()
        if error is CancellationError { return }
        // Another process is rebuilding the store.
        if due != .erasure, (error as? StoreError)?.code == .stillInUse { return }
        let what =
          switch due {
          case .erasure: "an erasure that was broken off is not finished"
          case .compaction: "a compaction is due, and did not succeed"
          case .index: "an index is missing, and was not built"
          }
        Diagnostics.write(
          "memtool: \(what): \(TerminalText.escaped(Failure.message(of: error))); the command itself has done its work. Run: memtool compact "
            + TerminalText.escaped(store))
      }
    } catch {
      // If the store cannot be read, the next command reports it.
    }
  }
}

/// How a command that only reads opens the store.
struct ReadingOptions: ParsableArguments {
  @Flag(help: "Take no locks: for a disk image or a medium that nobody writes to.")
  var immutable = false

  var access: StoreOptions.Access { immutable ? .immutable : .readOnly }
}

/// The options of every command.
struct OutputOptions: ParsableArguments {
  @Flag(help: "Print JSON: one object, or one object a line for a list.")
  var json = false
}

extension MemoryStore {
  /// Reports on standard error if the store has no user of this name, which may be misspelled.
  ///
  /// - Returns: Whether that was reported.
  @discardableResult
  func saysIfUnknown(_ userID: String?) throws -> Bool {
    guard let userID, try inspection(of: userID, newest: 1) == nil else { return false }
    let remark = EnvironmentDefaults.remark.map { " (\($0))" } ?? ""
    Diagnostics.write("memtool: the store has no user '\(TerminalText.escaped(userID))'\(remark)")
    return true
  }
}
