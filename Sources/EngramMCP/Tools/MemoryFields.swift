import Engram
import Formats
import Foundation

/// A memory as every tool and resource shows it.
enum MemoryFields {
  /// The members that ``write(_:to:)`` writes.
  static let all: [Field] = [
    Field("id", .identifier, required: true),
    Field("text", .anyText, required: true),
    Field("kind", .anyText),
    Field("created_at", .time, required: true),
    Field("session", .anyText),
    Field("trust", .anyText),
    Field("cut", .boolean(), "the text is longer"),
  ]

  /// - Parameter text: The beginning of the memory's text; nil: the whole text.
  static func write(_ memory: Memory, cutTo text: String? = nil, to writer: inout JSONWriter) {
    writer.key("id")
    writer.write(memory.id.description)
    writer.key("text")
    writer.write(text ?? memory.text)
    if text != nil {
      writer.key("cut")
      writer.write(true)
    }
    if let kind = memory.kind {
      writer.key("kind")
      writer.write(kind)
    }
    writer.key("created_at")
    writer.write(time: memory.createdAt)
    if let session = memory.sessionID {
      writer.key("session")
      writer.write(session)
    }
    // Always shown: who reads the text should know how far to rely on it.
    if let trust = memory.trust {
      writer.key("trust")
      writer.write(trust.rawValue)
    }
  }

  /// The fields that only `memory_get` shows.
  static func writeDetails(_ memory: Memory, to writer: inout JSONWriter) {
    writer.key("version")
    writer.write(memory.version)
    writer.key("importance")
    writer.write(memory.importance)
    if let speaker = memory.speaker {
      writer.key("speaker")
      writer.write(speaker)
    }
    if !memory.tags.isEmpty {
      writer.key("tags")
      writer.beginArray()
      for tag in memory.tags { writer.write(tag) }
      writer.endArray()
    }
    if let expiresAt = memory.expiresAt {
      writer.key("expires_at")
      writer.write(time: expiresAt)
    }
    if let source = memory.source {
      writer.key("source")
      writer.write(source)
    }
    if !memory.derivedFrom.isEmpty {
      writer.key("derived_from")
      writer.write(ids: memory.derivedFrom)
    }
    if let other = memory.replaces {
      writer.key("replaces")
      writer.write(other.description)
    }
    if let other = memory.supersededBy {
      writer.key("superseded_by")
      writer.write(other.description)
    }
  }

  static let details: [Field] = [
    Field("version", .integer(1...Int.max), required: true),
    Field("importance", .number(0...1)),
    Field("speaker", .anyText),
    Field("tags", .list(of: .anyText, count: 0...32)),
    Field("expires_at", .time),
    Field("source", .anyText),
    Field("derived_from", .list(of: .identifier, count: 0...64)),
    Field("replaces", .identifier),
    Field("superseded_by", .identifier),
  ]
}

extension JSONWriter {
  /// Writes a time as ISO 8601 with milliseconds.
  mutating func write(time: Date) {
    // A memory's times lie in the years 1 to 9999.
    write(TimestampText.string(Int64((time.timeIntervalSince1970 * 1000).rounded())) ?? "")
  }
}
