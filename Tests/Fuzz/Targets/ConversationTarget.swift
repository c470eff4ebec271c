import Foundation

@testable import Engram

/// Files of conversations, in every format.
enum ConversationTarget {
  static func run(_ input: [UInt8]) throws {
    try ScratchFile.write(input)
    guard let source = try ImportSource(path: ScratchFile.path) else { return }
    let detected = try? ConversationFormat.detected(in: source)
    for format in ConversationFormat.allCases {
      for branches in ConversationOptions.Branches.allCases {
        try read(source, format, branches, input.count)
      }
    }
    if detected != nil {
      _ = try must("a file whose format is known has no reader") { try ConversationReader(source, for: "u") }
    }
  }

  /// Elements come to an end, and drafts have ascending times and keys that do not depend on the time that is given.
  private static func read(
    _ source: ImportSource, _ format: ConversationFormat, _ branches: ConversationOptions.Branches, _ size: Int
  ) throws {
    let options = ConversationOptions(branches: branches, isLossy: true)
    guard var reader = try? ConversationReader(source, for: "u", format: format, options: options) else { return }
    var (first, second) = (ConversationDrafts(), ConversationDrafts())
    var count = 0
    while let element = try must("a file cannot be read", { try reader.next() }) {
      count += 1
      try require(count <= size + 1, "a file of \(size) bytes has more than \(count) elements")
      try require(element.fault == nil || element.conversations.isEmpty, "an element at fault has conversations")
      for conversation in element.conversations {
        let one = try? first.drafts(of: conversation, isPart: element.isPart, fallback: Date(timeIntervalSince1970: 0))
        let other = try? second.drafts(of: conversation, isPart: element.isPart, fallback: Date(timeIntervalSince1970: 1_000_000))
        try require(one?.map(\.dedupeKey) == other?.map(\.dedupeKey), "a key depends on the time of the import")
        let times = one?.compactMap(\.createdAt) ?? []
        try require(zip(times, times.dropFirst()).allSatisfy { $0 < $1 }, "the times of a conversation do not ascend: \(times)")
      }
    }
  }
}
