import Dispatch
import Engram
import Foundation
import TestSupport

/// The users that all transactions of a history write to, and the form in which their content is recorded.
enum History {
  /// The context that every transaction counts in: its value is the transaction's place in the order of commits.
  static let clock = "clock"
  /// Few users, so that conflicts are certain.
  static let users = ["ada", "ben", "cyd", "dov"]
  /// Memories of a user, each under an id of its own.
  static let slots = 5
  /// Topics of a user; one more drops the oldest.
  static let topics = 8
  /// How many of the last transactions the clock names. Those that were never acknowledged are found there.
  static let recent = 32
  /// The key, in the preferences of the clock, of the user that may be forgotten at any moment.
  static let forgettingKey = "forgetting"

  /// Nanoseconds of CLOCK_MONOTONIC, which all processes share.
  static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }

  static func memoryID(_ user: String, _ slot: Int) -> MemoryID {
    let words = [Lane.hash("\(user)/\(slot)/high"), Lane.hash("\(user)/\(slot)/low")]
    let text = words.map { String(repeating: "0", count: 16 - String($0, radix: 16).count) + String($0, radix: 16) }.joined()
    let digits = Array(text)
    let parts = [digits[..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20...]]
    guard let id = MemoryID(parts.map { String($0) }.joined(separator: "-")) else { preconditionFailure("32 digits make an id") }
    return id
  }

  static func slot(of id: MemoryID, _ user: String) -> Int? { (0..<slots).first { memoryID(user, $0) == id } }

  /// A text that begins with its label.
  static func text(_ label: String, length: Int) -> String {
    var text = label
    var generator = SeededGenerator(seed: Lane.hash(label))
    while text.utf8.count < length { text += " \(String(generator.next(), radix: 36))" }
    return text
  }

  /// A text as a log shows it: short, and different for different texts.
  static func abbreviated(_ text: String) -> String {
    text.utf8.count <= 32 ? text : "\(text.prefix(16))…\(String(Lane.hash(text), radix: 36))"
  }

  /// A row as a log shows it: a hash of every bit. The histories' stores compare by dot product, and so keep rows as they were given.
  static func digest(of row: [Float]) -> String {
    String(Lane.hash(row.map { String($0.bitPattern, radix: 36) }.joined(separator: ",")), radix: 36)
  }
}
