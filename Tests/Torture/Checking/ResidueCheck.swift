import Engram
import Foundation

/// Searches the files of a store for the words and the ids of erased memories.
///
/// No code of the product takes part: the bytes of the files are searched.
struct ResidueCheck {
  /// The patterns to search for, by the first eight bytes of each.
  private var patterns: [UInt64: [(bytes: [UInt8], name: String)]] = [:]
  private(set) var count = 0

  /// - Parameter states: The states of all lanes.
  init(_ states: [LaneState]) {
    for state in states {
      // An id that other memories name stays in these.
      let named = Set(state.stored.values.joined().flatMap { [$0.replaces, $0.supersededBy].compactMap { $0 } })
      for (id, all) in state.erased {
        let words = Set(all.flatMap(\.ownWords))
        for word in words { add(Array(word.utf8), "the word '\(word)' of memory \(id)") }
        if !named.contains(id), state.stored[id] == nil { add(Self.bytes(of: id), "the id \(id)") }
      }
    }
  }

  private mutating func add(_ bytes: [UInt8], _ name: String) {
    guard bytes.count >= 8 else { return }
    count += 1
    patterns[Self.prefix(bytes[...]), default: []].append((bytes, name))
  }

  /// The 16 bytes that a text of 32 digits and dashes names.
  private static func bytes(of id: MemoryID) -> [UInt8] {
    let digits = Array(id.description.utf8.filter { $0 != UInt8(ascii: "-") })
    return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16) }
  }

  private static func prefix(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }

  /// The traces in every regular file below a directory.
  func traces(below path: String) throws -> [String] {
    guard count > 0 else { return [] }
    var traces: [String] = []
    for name in try FileManager.default.subpathsOfDirectory(atPath: path).sorted() where !name.hasSuffix("lock.mdb") {
      let attributes = try FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")
      guard attributes[.type] as? FileAttributeType == .typeRegular else { continue }
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")))
      traces += self.traces(in: bytes).prefix(3).map { "\(name) still has \($0), which was erased" }
    }
    return traces
  }

  private func traces(in bytes: [UInt8]) -> [String] {
    var (window, traces) = (UInt64(0), [String]())
    // A filter, because no pattern begins at most places.
    var filter = [Bool](repeating: false, count: 1 << 16)
    for prefix in patterns.keys { filter[Int(prefix & 0xFFFF)] = true }
    for (index, byte) in bytes.enumerated() {
      window = window << 8 | UInt64(byte)
      guard index >= 7, filter[Int(window & 0xFFFF)], let found = patterns[window] else { continue }
      for (pattern, name) in found where bytes[(index - 7)...].starts(with: pattern) { traces.append("\(name) at byte \(index - 7)") }
    }
    return traces
  }
}
