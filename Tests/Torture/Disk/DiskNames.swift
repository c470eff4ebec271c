/// The names of a run as its processes saw them: turns paths into numbers that stay the same whatever is renamed.
struct DiskNames {
  private let scope: [Substring]
  private var directories: [Int: [String: Int]] = [DiskOperation.root: [:]]
  private var nodeCount = 1

  init(scope: String) { self.scope = Self.components(scope) }

  private static func components(_ path: String) -> [Substring] { path.split(separator: "/").filter { $0 != "." } }

  /// The components below the recorded directory.
  private func components(_ path: String) throws -> [String] {
    let all = Self.components(path)
    guard all.starts(with: scope), !all.contains("..") else {
      throw RecordingError(text: "the path \(path) does not lie in the recorded directory")
    }
    return all.dropFirst(scope.count).map(String.init)
  }

  /// The number of the file or directory at a path; nil for a file that is open and was removed.
  func node(_ path: String) throws -> Int? {
    var node = DiskOperation.root
    for name in try components(path) {
      guard let next = directories[node]?[name] else {
        if path.hasSuffix(" (deleted)") { return nil }
        throw RecordingError(text: "\(path) was never made")
      }
      node = next
    }
    return node
  }

  private func place(_ path: String) throws -> (directory: Int, name: String) {
    var names = try components(path)
    guard let name = names.popLast() else { throw RecordingError(text: "the recorded directory itself is changed") }
    var directory = DiskOperation.root
    for parent in names {
      guard let next = directories[directory]?[parent], directories[next] != nil else {
        throw RecordingError(text: "the directory of \(path) was never made")
      }
      directory = next
    }
    return (directory, name)
  }

  /// - Returns: Nothing if the file is there already and was only opened.
  mutating func make(_ path: String, isDirectory: Bool) throws -> [DiskOperation] {
    let (directory, name) = try place(path)
    if !isDirectory, directories[directory]?[name] != nil { return [] }
    let node = nodeCount
    nodeCount += 1
    directories[directory]?[name] = node
    if isDirectory { directories[node] = [:] }
    return [isDirectory ? .makeDirectory(node) : .makeFile(node), .rename(directory: directory, [.init(name: name, node: node)])]
  }

  mutating func remove(_ path: String) throws -> [DiskOperation] {
    let (directory, name) = try place(path)
    guard directories[directory]?.removeValue(forKey: name) != nil else {
      throw RecordingError(text: "\(path) is removed and was never made")
    }
    return [.rename(directory: directory, [.init(name: name, node: nil)])]
  }

  mutating func rename(_ path: String, to destination: String) throws -> [DiskOperation] {
    let (from, to) = (try place(path), try place(destination))
    guard let node = directories[from.directory]?.removeValue(forKey: from.name) else {
      throw RecordingError(text: "\(path) is renamed and was never made")
    }
    directories[to.directory]?[to.name] = node
    let (old, new) = (DiskOperation.Entry(name: from.name, node: nil), DiskOperation.Entry(name: to.name, node: node))
    if from.directory == to.directory { return [.rename(directory: to.directory, [old, new])] }
    return [.rename(directory: to.directory, [new]), .rename(directory: from.directory, [old])]
  }
}
