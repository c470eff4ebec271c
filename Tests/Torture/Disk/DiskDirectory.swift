/// A directory on such a disk: names that changed before the last flush began are there, of later changes any may be.
struct DiskDirectory: Sendable {
  private(set) var durable: [String: Int] = [:]
  /// The changes since then, oldest first. Names that changed in one call are on the disk together or not at all.
  private(set) var pending: [(sequence: Int, entries: [DiskOperation.Entry])] = []

  mutating func change(_ entries: [DiskOperation.Entry], sequence: Int) { pending.append((sequence, entries)) }

  mutating func flush(through sequence: Int) {
    let covered = pending.prefix { $0.sequence <= sequence }
    for change in covered { Self.apply(change.entries, to: &durable) }
    pending.removeFirst(covered.count)
  }

  static func apply(_ entries: [DiskOperation.Entry], to names: inout [String: Int]) {
    for entry in entries { names[entry.name] = entry.node }
  }
}
