/// The names in a store's directory.
struct StorePaths: Sendable {
  let directory: String

  var current: String { "\(directory)/current" }
  var openLock: String { "\(directory)/open.lock" }
  var aliveLock: String { "\(directory)/alive.lock" }
  var writerLock: String { "\(directory)/writer.lock" }

  func generation(_ number: UInt64) -> String { "\(directory)/gen-\(number)" }

  /// The number in `current`, which reads `gen-N` and a newline; nil where it reads anything else.
  static func generationNumber(_ text: String) -> UInt64? {
    guard text.hasPrefix("gen-"), text.hasSuffix("\n") else { return nil }
    let digits = text.dropFirst(4).dropLast()
    guard let number = UInt64(digits), number > 0, String(number) == digits else { return nil }
    return number
  }
}
