import Engram

/// Something that should be done about a store, and why.
struct StoreAdvice {
  enum Topic: String {
    case erasure, compaction, index, embeddings, snapshot, clock
  }

  let topic: Topic
  let reason: String
  /// Nil if no command helps.
  let command: String?

  /// A snapshot that lags at least so many commits behind is reported.
  private static let staleCommits = 1_000

  /// What is due in a store, the most urgent first.
  ///
  /// - Parameter store: The store's path, as the commands are to name it.
  static func all(of inspection: StoreInspection, due: MemoryStore.Upkeep?, store: String) -> [StoreAdvice] {
    var advice: [StoreAdvice] = []
    let compact = "memtool compact \(quoted(store))"
    let status = inspection.status
    if let jump = status.clockJump {
      let hours = Int(abs(jump.components.seconds) / 3600)
      let direction = jump < .zero ? "back" : "ahead"
      advice.append(
        StoreAdvice(
          topic: .clock, reason: "the clock was set \(Amounts.count(hours, "hour")) \(direction) since the last commit: check it",
          command: nil))
    }
    switch due {
    case .erasure:
      advice.append(
        StoreAdvice(topic: .erasure, reason: "an erasure was broken off: what it hid is still in the files", command: compact))
    case .compaction:
      advice.append(
        StoreAdvice(
          topic: .compaction,
          reason: "\(Amounts.count(status.rowsDead, "row is", "rows are")) dead: a compaction makes the files smaller", command: compact))
    case .index:
      advice.append(StoreAdvice(topic: .index, reason: "an index is missing, so that some reads are slow", command: compact))
    case nil: break
    }
    if inspection.identity.embedder != nil, let missing = inspection.withoutEmbedding, missing > 0 {
      advice.append(
        StoreAdvice(
          topic: .embeddings,
          reason:
            "\(Amounts.count(missing, "memory has", "memories have")) no embedding and \(missing == 1 ? "is" : "are") found by words only",
          command: "memtool embed \(quoted(store)) --missing"))
    }
    for reader in inspection.readers {
      guard let behind = reader.commitsBehind, behind >= staleCommits else { continue }
      advice.append(
        StoreAdvice(
          topic: .snapshot,
          reason: "process \(reader.processID)\(reader.isAlive ? "" : ", which is dead,") holds a snapshot that lags "
            + "\(Amounts.count(behind, "commit")) behind, so that the file grows: end the snapshot, or the process", command: nil))
    }
    return advice
  }

  /// The path as a shell reads it.
  private static func quoted(_ path: String) -> String {
    let isPlain =
      !path.isEmpty && path.first != "-"
      && path.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || "/._-+,:@%".utf8.contains(byte)
      }
    return isPlain ? path : "'" + path.replacing("'", with: #"'\''"#) + "'"
  }
}
