import Checksums
import Files
import LMDB
import TestSupport
import Testing

/// Every value has a checksum over itself, its key and its database's name. The tests change the closed data file.
@Suite struct ChecksumTests {
  let directory = TemporaryDirectory()
  var dataPath: String { directory.path("data.mdb") }

  /// Makes an environment with the given values, and closes it.
  private func make(_ tables: [[String: [UInt8]]]) throws {
    let environment = try Environment(path: directory.path, databases: ["main", "other"], options: .creating)
    for (index, table) in tables.enumerated() { try commit(table.mapValues { $0 }, to: environment, database: index) }
    #expect(environment.close())
  }

  private func open() throws -> Environment {
    var options = Environment.Options()
    options.isReadOnly = true
    options.mapSizeBytes = 1 << 30
    return try Environment(path: directory.path, databases: ["main", "other"], options: options)
  }

  /// The offset of the only occurrence of `bytes` in the data file.
  private func offset(of bytes: [UInt8]) throws -> Int {
    let file = try FileHandle(path: dataPath, access: .read)
    let contents = try file.read(count: file.status().sizeBytes, at: 0)
    var starts: [Int] = []
    for start in 0...(contents.count - bytes.count) where contents[start] == bytes[0] {
      if contents[start..<(start + bytes.count)].elementsEqual(bytes) { starts.append(start) }
    }
    #expect(starts.count == 1)
    return try #require(starts.first)
  }

  private func expectMismatch(_ key: String, database: Int = 0, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let environment = try open()
    let snapshot = try EnvironmentSnapshot(environment)
    let name = environment.databases[database].name
    var found: [UInt8]?
    let error = failure { () throws(LMDBError) in found = try value(key, snapshot.view, in: environment.databases[database]) }
    #expect(error?.isChecksumMismatch == true && error?.isCorruption == true && found == nil, sourceLocation: sourceLocation)
    #expect(
      error?.description
        == "value of key \(Key(key).bytes.hexadecimal) in \(name): the value does not match its checksum",
      sourceLocation: sourceLocation)
    // A cursor at the value reports the error, too, and the key itself can still be found.
    var cursor = try snapshot.view.cursor(in: environment.databases[database])
    #expect(try cursor.seek(to: Key(key)), sourceLocation: sourceLocation)
    var cursorError: LMDBError?
    do throws(LMDBError) { _ = try cursor.value() } catch { cursorError = error }
    #expect(cursorError == error, sourceLocation: sourceLocation)
    #expect(try snapshot.view.contains(Key(key), in: environment.databases[database]), sourceLocation: sourceLocation)
  }

  @Test func anyFlippedBitOfAValueOrItsChecksumIsFound() throws {
    var generator = SeededGenerator(seed: 50)
    let stored = generator.bytes(count: 24)
    try make([["key": stored, "near": [1, 2, 3]]])
    let start = try offset(of: stored)
    let file = try FileHandle(path: dataPath, access: .readWrite)
    for bit in 0..<(stored.count + 8) * 8 {
      let byte = try file.read(count: 1, at: start + bit / 8)[0]
      try file.write([byte ^ (1 << (bit % 8))], at: start + bit / 8)
      try expectMismatch("key")
      try file.write([byte], at: start + bit / 8)
    }
    let environment = try open()
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(try value("key", snapshot.view, in: environment.databases[0]) == stored)
    #expect(try value("near", snapshot.view, in: environment.databases[0]) == [1, 2, 3])
  }

  @Test func aFlippedBitOfALargeValueIsFound() throws {
    var generator = SeededGenerator(seed: 51)
    let stored = generator.bytes(count: 50_000)
    try make([["key": stored]])
    let start = try offset(of: Array(stored[..<64]))
    let file = try FileHandle(path: dataPath, access: .readWrite)
    for _ in 0..<60 {
      let place = start + Int.random(in: 0..<stored.count + 8, using: &generator)
      let byte = try file.read(count: 1, at: place)[0]
      try file.write([byte ^ (1 << UInt8.random(in: 0..<8, using: &generator))], at: place)
      try expectMismatch("key")
      try file.write([byte], at: place)
    }
  }

  @Test func twoValuesThatChangedPlacesAreFound() throws {
    var generator = SeededGenerator(seed: 52)
    let (first, second) = (generator.bytes(count: 40), generator.bytes(count: 40))
    try make([["key a": first, "key b": second]])
    try swap(offset(of: first), offset(of: second), count: 48)
    try expectMismatch("key a")
    try expectMismatch("key b")
  }

  @Test func aValueMovedToTheSameKeyOfAnotherDatabaseIsFound() throws {
    var generator = SeededGenerator(seed: 53)
    let (first, second) = (generator.bytes(count: 40), generator.bytes(count: 40))
    try make([["key": first], ["key": second]])
    try swap(offset(of: first), offset(of: second), count: 48)
    try expectMismatch("key", database: 0)
    try expectMismatch("key", database: 1)
  }

  @Test func aValueWhoseKeyWasChangedIsFound() throws {
    var generator = SeededGenerator(seed: 54)
    let stored = generator.bytes(count: 40)
    try make([["key": stored]])
    // In a leaf the key is right before its value.
    let file = try FileHandle(path: dataPath, access: .readWrite)
    let start = try offset(of: stored)
    #expect(try file.read(count: 3, at: start - 3) == Array("key".utf8))
    try file.write([UInt8(ascii: "z")], at: start - 1)
    try expectMismatch("kez")
  }

  @Test(arguments: [0, 1, 7]) func aValueTooShortForAChecksumIsFound(count: Int) throws {
    var generator = SeededGenerator(seed: 55)
    let stored = generator.bytes(count: 40)
    try make([["key": stored]])
    // A leaf's node begins with the low 16 bits of the value's size, eight bytes before the key.
    let file = try FileHandle(path: dataPath, access: .readWrite)
    let node = try offset(of: stored) - 3 - 8
    #expect(try file.read(count: 2, at: node) == [48, 0])
    try file.write([UInt8(count), 0], at: node)
    try expectMismatch("key")
  }

  @Test func theChecksumIsThatOfTheFileFormat() throws {
    var generator = SeededGenerator(seed: 56)
    let stored = generator.bytes(count: 40)
    try make([[:], ["key": stored]])
    func hash(_ bytes: [UInt8], seed: UInt64) -> UInt64 { unsafe bytes.withUnsafeBytes { unsafe XXH3.hash64($0, seed: seed) } }
    let expected = hash(stored, seed: hash(Array("key".utf8), seed: hash(Array("other".utf8), seed: 0)))
    let file = try FileHandle(path: dataPath, access: .read)
    let found = try file.read(count: 8, at: offset(of: stored) + stored.count)
    #expect(Key(found).bytes.bigEndian(at: 0, as: UInt64.self) == expected)
    // XXH3's own test vector: the empty input under seed 0.
    #expect(hash([], seed: 0) == 0x2D06_8005_38D3_94C2)
  }

  private func swap(_ first: Int, _ second: Int, count: Int) throws {
    let file = try FileHandle(path: dataPath, access: .readWrite)
    let (left, right) = (try file.read(count: count, at: first), try file.read(count: count, at: second))
    try file.write(right, at: first)
    try file.write(left, at: second)
  }
}
