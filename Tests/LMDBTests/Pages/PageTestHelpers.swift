import Files
import LMDB
import TestSupport
import Testing

/// Walks the commit that LMDB would take for the last one. No process may write the file.
func walk(_ path: String, _ databases: [String], lending visit: PageWalker.Visitor? = nil) throws -> PageReport {
  let pair = try MetaPair.read(FileHandle(path: path, access: .read))
  return try PageWalker(FileHandle(path: path, access: .read), databases: databases)
    .walk(pair.newest, lending: visit)
}

/// Expects that a report is clean, accounts for every page and agrees with LMDB's own numbers.
func expectAgreement(
  _ report: PageReport, _ environment: Environment, _ view: borrowing TransactionView, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  #expect(report.problems == [], sourceLocation: sourceLocation)
  #expect(report.databases.map(\.name) == environment.databases.map(\.name), sourceLocation: sourceLocation)
  for (database, tree) in zip(environment.databases, report.databases) {
    let statistics = try view.statistics(of: database)
    #expect(tree.entries == statistics.entries && tree.pages == statistics.pages, sourceLocation: sourceLocation)
    #expect(tree.depth == statistics.depth && report.pageSizeBytes == statistics.pageSizeBytes, sourceLocation: sourceLocation)
  }
  #expect(report.main?.entries == environment.databases.count, sourceLocation: sourceLocation)
  let pages = (report.databases.map(\.pages) + [report.freeList?.pages ?? 0, report.main?.pages ?? 0]).reduce(0, +)
  #expect(report.usedPages == pages, sourceLocation: sourceLocation)
}

/// A file with branches, overflow values, an empty database and a free list, and its contents.
struct SampleFile {
  static let databases = ["main", "other", "empty"]

  let directory = TemporaryDirectory()
  let image: FileImage
  var path: String { directory.path("data.mdb") }

  /// - Parameter entries: The entries of the database `main`, whose tree has two levels from about fifty on.
  init(entries: Int = 400, seed: UInt64 = 1) throws {
    var generator = SeededGenerator(seed: seed)
    do {
      let environment = try Environment(path: directory.path, databases: Self.databases, options: .creating)
      for round in 0..<3 {
        var transaction = try EnvironmentTransaction(environment)
        for number in 0..<entries {
          let size = number % 40 == 0 ? 5000 + number : 20 + number % 60
          try transaction.put(Self.key(number), generator.bytes(count: size), in: environment.databases[0])
          if number % 3 == 0 { try transaction.put(Self.key(number), generator.bytes(count: 30), in: environment.databases[1]) }
        }
        // Pages that the last round frees stay in the free list.
        for number in 0..<(round * entries / 4) { try transaction.delete(Self.key(number), in: environment.databases[1]) }
        try transaction.commit()
      }
      #expect(environment.close())
    }
    image = try FileImage(path: directory.path("data.mdb"))
  }

  static func key(_ number: Int) -> Key {
    var key = Key("key of some length ")
    key.append(UInt32(number))
    return key
  }

  /// The problems of a changed copy of the file.
  func problems(_ change: (inout FileImage) throws -> Void) throws -> [String] {
    var changed = image
    try change(&changed)
    try changed.write(to: path)
    let report = try walk(path, Self.databases)
    return report.problems
  }
}
