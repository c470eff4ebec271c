import Engram
import Formats
import Foundation

extension JSONWriter {
  mutating func writeOptional(_ value: (some FixedWidthInteger)?) {
    if let value { write(value) } else { writeNull() }
  }

  mutating func writeOptional(_ text: String?) {
    if let text { write(text) } else { writeNull() }
  }

  /// Writes a time as ISO 8601 with milliseconds; null if there is none.
  mutating func write(time: Date?) { writeOptional(time.map(Times.text)) }

  /// Writes the keys of a memory, from `id` to `metadata`, into the open object.
  mutating func writeFields(of memory: Memory) { writeMembers(ofJSON: memory.json) }

  /// Writes a memory as an object: its keys, its version, and when that was stored.
  mutating func writeObject(of memory: Memory) {
    beginObject()
    writeFields(of: memory)
    key("version")
    write(memory.version)
    key("updatedAt")
    write(time: memory.updatedAt)
    endObject()
  }

  mutating func write(_ embedder: EmbedderIdentity?) {
    guard let embedder else { return writeNull() }
    beginObject()
    key("name")
    write(embedder.name)
    key("dimension")
    write(embedder.dimension)
    key("version")
    write(embedder.version)
    endObject()
  }

  /// Writes what every report of a new generation ends with.
  mutating func writeRebuild(pause: Duration, duration: Duration, holders: [Int32]) {
    key("writerPauseMilliseconds")
    write(Amounts.milliseconds(pause))
    key("milliseconds")
    write(Amounts.milliseconds(duration))
    key("holders")
    beginArray()
    for holder in holders { write(holder) }
    endArray()
  }

  /// Writes metadata in the order of its keys: shorter ones first, then by bytes.
  mutating func write(_ metadata: [String: MetadataValue]) {
    beginObject()
    for (name, value) in metadata.sorted(by: { Self.precedes($0.key, $1.key) }) {
      key(text: name)
      switch value {
      case .string(let value): write(value)
      case .integer(let value): write(value)
      case .double(let value): write(value)
      case .bool(let value): write(value)
      }
    }
    endObject()
  }

  private static func precedes(_ left: String, _ right: String) -> Bool {
    left.utf8.count != right.utf8.count ? left.utf8.count < right.utf8.count : left.utf8.lexicographicallyPrecedes(right.utf8)
  }
}

extension JSONReader {
  /// Reads a text, a number, true or false.
  mutating func readMetadataValue() throws -> MetadataValue {
    switch try peek() {
    case .string: return .string(try readString())
    case .bool: return .bool(try readBool())
    default:
      // Throws for anything but a number.
      switch try readNumber() {
      case .integer(let value): return .integer(value)
      case .real(let value): return .double(value)
      case .unsigned, .negative: throw StoreError(.invalidArgument, "the integer does not fit 64 bits")
      }
    }
  }
}
