import Foundation
import TestSupport

/// One random change of a closed store's files.
struct StoreMutation {
  /// The name of the kind of change, for the table.
  let name: String
  /// What was changed, and where.
  let text: String
  /// Whether any byte was changed.
  let isEffective: Bool

  /// Changes the store.
  ///
  /// - Parameter other: A store of the same shape with other content.
  init(_ store: String, other: String, _ generator: inout SeededGenerator) throws {
    let generation = "\(store)/gen-1"
    let kind = Int.random(in: 0..<100, using: &generator)
    switch kind {
    case 0..<55: (name, text, isEffective) = try Self.change("data.mdb", in: generation, unit: 4096, &generator)
    case 55..<70: (name, text, isEffective) = try Self.change("rows.f32", in: generation, unit: 64, &generator)
    case 70..<75 where FileManager.default.fileExists(atPath: "\(generation)/codes"):
      (name, text, isEffective) = try Self.change("codes", in: generation, unit: 64, &generator)
    case 70..<75: (name, text, isEffective) = try Self.change("rows.f32", in: generation, unit: 64, &generator)
    case 75..<80:
      // Only this file: with its data.mdb, too, this would simply be the other store.
      try Self.replace("\(generation)/rows.f32", by: "\(other)/gen-1/rows.f32")
      (name, text, isEffective) = ("rows.f32 of another store", "rows.f32", true)
    case 80..<90:
      let file = kind % 2 == 0 ? "rows.f32" : "data.mdb"
      let handle = try FileHandle(forUpdating: URL(fileURLWithPath: "\(generation)/\(file)"))
      let size = Int(try handle.seekToEnd())
      let length = Int.random(in: 0...size + 8192, using: &generator)
      try handle.truncate(atOffset: UInt64(length))
      (name, text, isEffective) = ("length", "\(file) from \(size) to \(length) bytes", length != size)
    case 90..<94: (name, text, isEffective) = try Self.change("current", in: store, unit: 1, &generator)
    case 94..<97: (name, text, isEffective) = try Self.change("lock.mdb", in: generation, unit: 64, &generator)
    default:
      let file = ["open.lock", "writer.lock", "alive.lock", "rebuild.lock"].randomElement(using: &generator) ?? "open.lock"
      try Data(generator.bytes(count: Int.random(in: 0...100, using: &generator))).write(to: URL(fileURLWithPath: "\(store)/\(file)"))
      try setPermissions("\(store)/\(file)", 0o600)
      (name, text, isEffective) = ("lock files", file, true)
    }
  }

  private static func replace(_ path: String, by source: String) throws {
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.copyItem(atPath: source, toPath: path)
  }

  /// One to four changes of a file's bytes.
  private static func change(
    _ name: String, in directory: String, unit: Int, _ generator: inout SeededGenerator
  ) throws -> (String, String, Bool) {
    let path = "\(directory)/\(name)"
    let before = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    guard !before.isEmpty else { return (name, "\(path) is empty", false) }
    var bytes = before
    var changes: [String] = []
    for _ in 0..<Int.random(in: 1...4, using: &generator) { changes.append(change(&bytes, unit: unit, &generator)) }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    try setPermissions(path, 0o600)
    return (name, "\(name): \(changes.joined(separator: "; "))", bytes != before)
  }

  private static func change(_ bytes: inout [UInt8], unit: Int, _ generator: inout SeededGenerator) -> String {
    let units = max(1, bytes.count / unit)
    // One in five meets the first pages: meta pages, the tops of trees, the header.
    let place =
      generator.chance(percent: 20) ? Int.random(in: 0..<min(units, 4), using: &generator) : Int.random(in: 0..<units, using: &generator)
    let start = min(place * unit + Int.random(in: 0..<unit, using: &generator), bytes.count - 1)
    let count = min(Int.random(in: 1...64, using: &generator), bytes.count - start)
    switch Int.random(in: 0..<7, using: &generator) {
    case 0..<3:
      let bit = Int.random(in: 0..<8, using: &generator)
      bytes[start] ^= 1 << bit
      return "bit \(bit) of byte \(start)"
    case 3:
      bytes.replaceSubrange(start..<start + count, with: generator.bytes(count: count))
      return "\(count) random bytes at \(start)"
    case 4:
      let fill: UInt8 = generator.chance(percent: 50) ? 0 : 0xFF
      bytes.replaceSubrange(start..<start + count, with: repeatElement(fill, count: count))
      return "\(count) bytes of \(fill) at \(start)"
    case 5:
      let numbers: [UInt64] = [.max, 1 << 63, 1 << 32, 0x7FFF_FFFF, 1, UInt64(bytes.count)]
      let number = numbers[Int.random(in: numbers.indices, using: &generator)]
      let field = start / 8 * 8
      for offset in 0..<min(8, bytes.count - field) { bytes[field + offset] = UInt8(truncatingIfNeeded: number >> (8 * offset)) }
      return "the number \(number) at \(field)"
    default:
      let from = Int.random(in: 0..<units, using: &generator) * unit
      let to = place * unit
      let length = min(unit, bytes.count - from, bytes.count - to)
      bytes.replaceSubrange(to..<to + length, with: bytes[from..<from + length])
      return "\(length) bytes from \(from) copied to \(to)"
    }
  }
}
