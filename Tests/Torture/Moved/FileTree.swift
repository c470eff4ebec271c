import Foundation

/// The names and bytes of everything below a directory.
struct FileTree: Sendable {
  private var contents: [String: Data] = [:]

  init(_ path: String) throws {
    for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
      // Nil for a directory.
      contents[name] = FileManager.default.contents(atPath: "\(path)/\(name)") ?? Data()
    }
  }

  /// The names that only one of the two has, and those whose bytes differ.
  func differences(from other: FileTree) -> [String] {
    Set(contents.keys).union(other.contents.keys).filter { contents[$0] != other.contents[$0] }.sorted()
  }
}
