import Files
import TestSupport

@testable import LMDB

/// A small data file of LMDB's own making: branches, values in pages of their own, an empty database, free pages. Each input is a list of
/// changes to it, which are undone afterwards.
final class PageFile {
  /// By database, the checksums of its entries, which cover the database's name, key and value.
  typealias Contents = [String: Set<UInt64>]

  static let databases = ["main", "other", "empty"]

  private let directory: TemporaryDirectory
  private let image: [UInt8]
  /// What the last commit left.
  let contents: Contents
  /// Every entry of every commit.
  let everStored: Contents
  let transactionID: Int
  private let checksums = Dictionary(uniqueKeysWithValues: databases.map { ($0, RecordChecksum(database: $0)) })
  private let file: FileHandle
  var isChanged: Bool { !changedPages.isEmpty || sizeBytes < image.count }
  /// A page is another one, or what another one was: an older state of a page, put in its place, looks like the newest, because
  /// pages do not say of which transaction they are.
  private(set) var hasMovedPages = false
  /// Pages to be written again.
  private var changedPages: Set<Int> = []
  private(set) var sizeBytes: Int

  private var path: String { directory.path("data.mdb") }

  func open() throws(FileError) -> FileHandle { try FileHandle(path: path, access: .read) }

  /// The targets cannot do without it, so what fails here ends the process.
  static func make() -> PageFile {
    do {
      return try PageFile()
    } catch {
      fatalError("the file to be changed cannot be made: \(error)")
    }
  }

  private init() throws {
    directory = TemporaryDirectory()
    var generator = SeededGenerator(seed: 1)
    var (contents, everStored): (Contents, Contents) = ([:], [:])
    let environment = try Environment(path: directory.path, databases: Self.databases, options: Self.options(creating: true))
    for round in 0..<3 {
      var transaction = try EnvironmentTransaction(environment)
      for number in 0..<70 {
        let isMain = number < 60
        let database = environment.databases[isMain ? 0 : 1]
        let key = Self.key(number)
        let value = generator.bytes(count: number % 25 == 0 ? 4090 + number : 20 + number % 60)
        try transaction.put(key, value, in: database)
      }
      // What is deleted in the last round stays in the free list.
      for number in 0..<(round * 10) {
        _ = try transaction.delete(Self.key(number), in: environment.databases[0])
      }
      try transaction.commit()
      contents = try Self.read(environment)
      everStored.merge(contents) { $0.union($1) }
    }
    transactionID = try EnvironmentSnapshot(environment).id
    guard environment.close() else { fatalError("a transaction is left") }
    (self.contents, self.everStored) = (contents, everStored)
    file = try FileHandle(path: directory.path("data.mdb"), access: .readWrite)
    sizeBytes = try file.status().sizeBytes
    image = try file.read(count: sizeBytes, at: 0)
  }

  private static func options(creating: Bool) -> Environment.Options {
    var options = Environment.Options()
    (options.mapSizeBytes, options.smallestMapSizeBytes, options.createsDatabases) = (1 << 24, 1 << 24, creating)
    return options
  }

  private static func key(_ number: Int) -> Key {
    var key = Key()
    key.append(utf8: "key of some length ")
    key.append(UInt32(number))
    return key
  }

  /// The checksum that ends an entry as it is stored; nil if it does not match.
  func checksum(_ database: String, _ key: RawSpan, _ value: RawSpan) -> UInt64? {
    guard checksums[database]?.matches(key: key, stored: value) == true else { return nil }
    return value.bigEndian(at: value.byteCount - RecordChecksum.byteCount, as: UInt64.self)
  }

  // MARK: Changes

  /// Each change is: a page, a place in it and what kind it is, then a number that the kind says. Half of the places count from the page's
  /// beginning, where the structure is.
  func change(_ input: [UInt8]) throws {
    var rest = FuzzInput(input)
    var pages: [Int: [UInt8]] = [:]
    hasMovedPages = false
    let pageCount = image.count / 4096
    func page(_ number: Int) -> [UInt8] { pages[number] ?? Array(image[number * 4096..<(number + 1) * 4096]) }
    for _ in 0..<24 where !rest.isEmpty {
      let number = Int(rest.byte()) % pageCount
      let kind = rest.byte()
      var bytes = page(number)
      let place = kind & 0x80 == 0 ? Int(rest.byte()) * 2 : Int(rest.number(UInt16.self) % 4096)
      switch kind & 0x0F {
      case 0..<4: bytes[place] = rest.byte()
      case 4: bytes[place] ^= 1 << (rest.byte() & 7)
      case 5, 6: Self.set(rest.number(UInt16.self), &bytes, place)
      case 7: Self.set(rest.number(UInt32.self), &bytes, place)
      case 8: Self.set(rest.number(UInt64.self), &bytes, place)
      case 9: Self.set(UInt64(rest.byte()), &bytes, place)
      case 10: Self.set(UInt64.max - UInt64(rest.byte()), &bytes, place)
      case 11:
        hasMovedPages = true
        bytes = page(Int(rest.byte()) % pageCount)
      case 12:
        hasMovedPages = true
        // With the right number it passes for the page of this place.
        bytes = page(Int(rest.byte()) % pageCount)
        Self.set(UInt64(number), &bytes, 0)
      case 13: bytes.replaceSubrange(place..<min(place + 64, 4096), with: bytes[..<min(64, 4096 - place)])
      case 14:
        sizeBytes = min(sizeBytes, number * 4096 + place)
        continue
      default: for index in place..<min(place + Int(rest.byte()), 4096) { bytes[index] = 0 }
      }
      pages[number] = bytes
    }
    for (number, bytes) in pages where !bytes.elementsEqual(image[number * 4096..<(number + 1) * 4096]) {
      changedPages.insert(number)
      try file.write(bytes, at: number * 4096)
    }
    if sizeBytes < image.count { try file.truncate(to: sizeBytes) }
  }

  private static func set<Number: FixedWidthInteger>(_ number: Number, _ bytes: inout [UInt8], _ place: Int) {
    for index in 0..<min(Number.bitWidth / 8, bytes.count - place) {
      bytes[place + index] = UInt8(truncatingIfNeeded: number >> Number(index * 8))
    }
  }

  func restore() {
    do {
      if sizeBytes < image.count {
        changedPages.formUnion(sizeBytes / 4096..<image.count / 4096)
        sizeBytes = image.count
      }
      for number in changedPages { try file.write(Array(image[number * 4096..<(number + 1) * 4096]), at: number * 4096) }
      changedPages = []
    } catch {
      fatalError("the file that was changed cannot be restored: \(error)")
    }
  }

  // MARK: LMDB

  /// Opens, reads and writes a file in which a walk found nothing: LMDB must get by with it, and find the same.
  func checkOrdinaryUse(_ found: Contents) throws {
    // A writer takes free pages and adds some.
    defer {
      changedPages = Set(0..<image.count / 4096)
      do { try file.truncate(to: image.count) } catch { fatalError("the file that was changed cannot be cut: \(error)") }
    }
    try must("LMDB does not take a file in which a walk finds nothing") {
      let environment = try Environment(path: directory.path, databases: Self.databases, options: Self.options(creating: false))
      do {
        try require(try Self.read(environment) == found, "LMDB reads other contents than the walk")
        var transaction = try EnvironmentTransaction(environment)
        for number in 0..<12 {
          try transaction.put(Self.key(1000 + number), [UInt8](repeating: 7, count: 900), in: environment.databases[2])
        }
        for key in [5, 31, 62] { _ = try transaction.delete(Self.key(key), in: environment.databases[key < 60 ? 0 : 1]) }
        try transaction.commit()
      }
      let pair = try MetaPair.read(open())
      let report = PageWalker(try open(), databases: Self.databases).walk(pair.newest)
      try require(report.isClean, "after a write a walk finds \(report.problems)")
      try require(environment.close(), "a transaction is left")
    }
  }

  private static func read(_ environment: Environment) throws -> Contents {
    var contents: Contents = [:]
    let transaction = try EnvironmentSnapshot(environment)
    for database in environment.databases {
      let checksum = RecordChecksum(database: database.name)
      var cursor = try transaction.view.cursor(in: database)
      var isThere = try cursor.first()
      while isThere {
        contents[database.name, default: []].insert(checksum.checksum(key: cursor.key, value: try cursor.value()))
        isThere = try cursor.next()
      }
    }
    return contents
  }
}
