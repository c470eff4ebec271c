import Files

/// The names in a store's directory. They are reached through the directory's open descriptor, even if its path leads elsewhere later.
struct StorePaths: Sendable {
  let root: Directory

  init(_ root: Directory) { self.root = root }

  /// Opens the directory that a path leads to; links are followed.
  init(path: String) throws(FileError) { root = try Directory(path: path) }

  /// The path that the store was opened by, for messages.
  var directory: String { root.path }

  var current: FilePlace { root.place("current") }
  var openLock: FilePlace { root.place("open.lock") }
  var aliveLock: FilePlace { root.place("alive.lock") }
  var writerLock: FilePlace { root.place("writer.lock") }
  /// Held by the process that builds the next generation.
  var rebuildLock: FilePlace { root.place("rebuild.lock") }

  /// Vectors of an embedder that the store moves to.
  var embeddingWork: FilePlace { root.place(EmbeddingWork.fileName) }

  func generation(_ number: UInt64) -> FilePlace { root.place("gen-\(number)") }
  func data(_ number: UInt64) -> FilePlace { generation(number).appending(Generation.dataFileName) }

  /// A new name for a generation's directory that is about to be removed. It is random, because a number may be used again.
  func setAside(_ number: UInt64) -> FilePlace {
    root.place("gen-\(number).removed-\(String(UInt64.random(in: .min ... .max), radix: 36))")
  }

  /// Whether a file has the name of a `current` that is being written, or was when its process was killed.
  static func isUnfinishedCurrent(fileName name: String) -> Bool { name.hasPrefix("current.tmp-") }

  /// Whether a directory has a name made by ``setAside(_:)``. It is never treated as a generation.
  static func isSetAside(directoryName name: String) -> Bool {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 2 && generationNumber(directoryName: String(parts[0])) != nil && parts[1].hasPrefix("removed-")
  }

  /// The number in `current`, which reads `gen-N` and a newline; nil if it reads anything else.
  static func generationNumber(_ text: String) -> UInt64? {
    guard text.hasSuffix("\n") else { return nil }
    return generationNumber(directoryName: String(text.dropLast()))
  }

  /// The largest number of a generation. Directories with larger numbers are ignored: a rebuild counts up, and must not overflow.
  static let lastGeneration: UInt64 = 1 << 62

  /// The number of the directory `gen-N`; nil for any other name.
  static func generationNumber(directoryName name: String) -> UInt64? {
    guard name.hasPrefix("gen-") else { return nil }
    let digits = name.dropFirst(4)
    guard let number = UInt64(digits), (1...lastGeneration).contains(number), String(number) == digits else { return nil }
    return number
  }
}
