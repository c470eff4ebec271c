import Formats
import Foundation
import LMDB

@testable import Engram

/// A store as text, database by database: the oracle of the golden test.
///
/// A user key is written as the user's name in angle brackets and a hash under the secret as `#`. Values that differ from run to run (the
/// store's UUID, secret and times) are left out.
struct StoreDump {
  private var lines: [String] = []
  private var names: [[UInt8]: String] = [:]

  static func text(_ store: MemoryStore) throws -> String {
    var dump = StoreDump()
    try store.read { snapshot in try snapshot.read { try dump.append($0) } }
    return dump.lines.joined(separator: "\n") + "\n"
  }

  private mutating func append(_ reader: borrowing RecordReader) throws {
    for (key, value) in try entries(reader, reader.schema[Tables.Users.self]) {
      if case .text(let name)? = Self.field("userID", try CBORReader.value(of: value)) { names[key] = name }
    }
    for table in Tables.all {
      let database = reader.schema[table]
      // Sorted by text, because the order of the user keys depends on this store's secret.
      let texts = try entries(reader, database).map { key, value in
        let (key, value) = (try keyText(key, in: database.name), try valueText(value, in: database.name))
        return value.isEmpty ? "  \(key)" : "  \(key): \(value)"
      }
      lines.append("\(database.name) (\(texts.count))")
      lines += database.name == "log" ? texts : texts.sorted()
    }
  }

  private func entries(_ reader: borrowing RecordReader, _ database: Database) throws -> [([UInt8], [UInt8])] {
    var entries: [([UInt8], [UInt8])] = []
    var cursor = try reader.view.cursor(in: database)
    var isStanding = try cursor.first()
    while isStanding {
      entries.append((Self.bytes(cursor.key), Self.bytes(try cursor.value())))
      isStanding = try cursor.next()
    }
    return entries
  }

  private static func bytes(_ span: RawSpan) -> [UInt8] {
    // SAFETY: the buffer is read inside the closure only.
    unsafe span.withUnsafeBytes { unsafe Array($0) }
  }

  private static func field(_ name: String, _ value: CBORValue) -> CBORValue? {
    guard case .map(let entries) = value else { return nil }
    return entries.first { $0.key == .text(name) }?.value
  }

  private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  private func owner(_ key: [UInt8]) -> String { names[Array(key.prefix(16))].map { "<\($0)>" } ?? "<?>" }

  private func keyText(_ key: [UInt8], in database: String) throws -> String {
    switch database {
    case "meta": String(decoding: key, as: UTF8.self)
    case "users", "contexts": owner(key) + String(decoding: key.dropFirst(16), as: UTF8.self)
    case "history" where key[16] == 1: owner(key) + Self.hexadecimal(key.dropFirst(16))
    case "history": owner(key) + String(decoding: key[16..<(key.count - 9)], as: UTF8.self) + "|" + Self.hexadecimal(key.suffix(9))
    case "timeline", "blocks", "columns", "words": owner(key) + Self.hexadecimal(key.dropFirst(16))
    case "dedupe": owner(key) + "#"
    case "sessions": owner(key) + "#" + Self.hexadecimal(key.dropFirst(32))
    case "tokens": "\(key[0])" + (key[0] == 1 ? Self.hexadecimal(key[1..<9]) : "") + "#"
    default: Self.hexadecimal(key)
    }
  }

  private func valueText(_ value: [UInt8], in database: String) throws -> String {
    switch database {
    case "words": return "\(try WordsView(unsafe value.span.bytes).count) memories"
    case "timeline", "blocks", "columns", "dedupe", "sessions": return Self.hexadecimal(value)
    case "expiry": return owner(value)
    case "tokens" where value.isEmpty: return ""
    default:
      guard case .map(let entries) = try CBORReader.value(of: value) else { return "no map" }
      let varying: Set<String> =
        database == "memories" || database == "users"
        ? ["updatedAt"] : ["uuid", "secret", "createdAt", "updated", "updatedAt", "lastCommit", "boot", "bootClock"]
      let fixed = entries.filter { entry in
        guard case .text(let name) = entry.key else { return true }
        return !varying.contains(name)
      }
      return CBORDiagnostic.text(of: .map(fixed))
    }
  }
}
