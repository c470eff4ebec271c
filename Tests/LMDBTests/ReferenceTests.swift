import LMDB
import TestSupport
import Testing

/// Thousands of seeded operations on three databases, compared with sorted dictionaries.
@Suite struct ReferenceTests {
  typealias Table = [[UInt8]: [UInt8]]

  let directory = TemporaryDirectory()

  /// Composite keys with every kind of part, few enough that operations often use the same key.
  private static func keys(_ generator: inout SeededGenerator) -> [[UInt8]] {
    (0..<500).map { _ in
      var key = Key()
      key.append(UInt8.random(in: 0...2, using: &generator))
      if generator.chance(percent: 70) { key.append(Int64.random(in: -3...3, using: &generator)) }
      if generator.chance(percent: 50) { key.append([0, 1, UInt32.max].randomElement(using: &generator) ?? 0) }
      if generator.chance(percent: 50) { key.append(utf8: ["", "a", "ab", "b", "é"].randomElement(using: &generator) ?? "") }
      if generator.chance(percent: 20) { key.append(UInt64.max - UInt64.random(in: 0...2, using: &generator)) }
      return copy(key.bytes)
    }
  }

  private static func randomValue(_ generator: inout SeededGenerator) -> [UInt8] {
    // A value above about 2 KiB is stored in overflow pages.
    let count = generator.chance(percent: 10) ? Int.random(in: 1_900...9_000, using: &generator) : Int.random(in: 0...60, using: &generator)
    return generator.bytes(count: count)
  }

  private final class Moment {
    let snapshot: HeldSnapshot
    let tables: [Table]
    init(_ environment: Environment, _ tables: [Table]) throws {
      snapshot = try HeldSnapshot(environment)
      self.tables = tables
    }
  }

  @Test(arguments: [UInt64(1), 2, 3]) func randomOperationsAgreeWithSortedDictionaries(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var options = Environment.Options.creating
    options.defersMetaFlush = true
    let environment = try Environment(path: directory.path, databases: ["alpha", "beta", "gamma"], options: options)
    let keys = Self.keys(&generator)
    var tables = [Table](repeating: [:], count: 3)
    var moments: [Moment] = []
    for round in 0..<40 {
      tables = try change(environment, tables, keys, &generator)
      if round % 8 == 0 { moments.append(try Moment(environment, tables)) }
      if round % 5 == 0 {
        let snapshot = try EnvironmentSnapshot(environment)
        try verify(snapshot.view, environment, tables, keys, &generator)
      }
    }
    // Every old snapshot still shows the contents of its time.
    for moment in moments {
      try moment.snapshot.withView { try verify($0, environment, moment.tables, keys, &generator) }
    }
    // Deletes everything, so that pages are merged.
    for index in 0..<3 {
      var writer = try EnvironmentTransaction(environment)
      for key in tables[index].keys.shuffled(using: &generator) {
        #expect(try writer.delete(Key(key), in: environment.databases[index]))
      }
      try writer.commit()
      tables[index] = [:]
    }
    let snapshot = try EnvironmentSnapshot(environment)
    try verify(snapshot.view, environment, tables, keys, &generator)
    for moment in moments {
      try moment.snapshot.withView { try verify($0, environment, moment.tables, keys, &generator) }
    }
  }

  /// Runs one write transaction. Returns the tables after it if it commits, and `before` otherwise.
  private func change(
    _ environment: Environment, _ before: [Table], _ keys: [[UInt8]], _ generator: inout SeededGenerator
  ) throws -> [Table] {
    var tables = before
    var writer = try EnvironmentTransaction(environment)
    for _ in 0..<Int.random(in: 1...160, using: &generator) {
      let index = Int.random(in: 0..<3, using: &generator)
      let database = environment.databases[index]
      let key = keys.randomElement(using: &generator) ?? []
      switch Int.random(in: 0..<10, using: &generator) {
      case 0..<6:
        let new = Self.randomValue(&generator)
        try writer.put(Key(key), new, in: database)
        tables[index][key] = new
      case 6..<9:
        #expect(try writer.delete(Key(key), in: database) == (tables[index].removeValue(forKey: key) != nil))
      default:
        #expect(try value(key, writer.view, in: database) == tables[index][key])
      }
    }
    if generator.chance(percent: 15) { return before }
    try verify(writer.view, environment, tables, keys, &generator)
    try writer.commit()
    return tables
  }

  private func verify(
    _ view: borrowing TransactionView, _ environment: Environment, _ tables: [Table], _ keys: [[UInt8]],
    _ generator: inout SeededGenerator
  ) throws {
    for (table, database) in zip(tables, environment.databases) {
      let expected = table.map { Entry(key: $0.key, value: $0.value) }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
      #expect(try entries(view, in: database) == expected)
      #expect(try view.statistics(of: database).entries == expected.count)
      for _ in 0..<10 {
        let key = keys.randomElement(using: &generator) ?? []
        #expect(try value(key, view, in: database) == table[key])
        #expect(try view.contains(Key(key), in: database) == (table[key] != nil))
      }
      try verifyCursor(view, database, expected, keys, &generator)
    }
  }

  /// Seeks one cursor to many keys, and moves it a few steps in either direction each time.
  private func verifyCursor(
    _ view: borrowing TransactionView, _ database: Database, _ expected: [Entry], _ keys: [[UInt8]],
    _ generator: inout SeededGenerator
  ) throws {
    var cursor = try view.cursor(in: database)
    for _ in 0..<20 {
      var key = keys.randomElement(using: &generator) ?? []
      if generator.chance(percent: 30) { key = Array(key.dropLast()) + generator.bytes(count: 1) }
      if generator.chance(percent: 5) { key = [0xFF] }
      let isBefore = generator.chance(percent: 50)
      let following = expected.firstIndex { !$0.key.lexicographicallyPrecedes(key) } ?? expected.count
      var position = isBefore ? following - 1 : following
      var isStanding = isBefore ? try cursor.seek(before: Key(key)) : try cursor.seek(to: Key(key))
      #expect(isStanding == expected.indices.contains(position))
      for _ in 0..<4 where isStanding {
        let found = Entry(key: copy(cursor.key), value: copy(try cursor.value()))
        #expect(found == expected[position])
        let isForward = generator.chance(percent: 50)
        position += isForward ? 1 : -1
        isStanding = isForward ? try cursor.next() : try cursor.previous()
        #expect(isStanding == expected.indices.contains(position))
      }
      #expect(isStanding || cursor.key.byteCount == 0)
    }
    #expect(try cursor.last() == !expected.isEmpty)
    if let last = expected.last { #expect(copy(cursor.key) == last.key) }
  }

  @Test func aReverseWalkIsTheForwardWalkTurnedRound() throws {
    var generator = SeededGenerator(seed: 30)
    let environment = try Environment(path: directory.path, databases: ["main"], options: .creating)
    var writer = try EnvironmentTransaction(environment)
    for _ in 0..<3_000 {
      var key = Key()
      key.append(UInt8(1))
      key.append(Int64.random(in: .min ... .max, using: &generator) >> Int.random(in: 0..<63, using: &generator))
      try writer.put(key, generator.bytes(count: 3), in: environment.databases[0])
    }
    try writer.commit()
    let snapshot = try EnvironmentSnapshot(environment)
    let forward = try entries(snapshot.view, in: environment.databases[0])
    var cursor = try snapshot.view.cursor(in: environment.databases[0])
    var backward: [Entry] = []
    var isStanding = try cursor.last()
    while isStanding {
      backward.append(Entry(key: copy(cursor.key), value: copy(try cursor.value())))
      isStanding = try cursor.previous()
    }
    #expect(backward == forward.reversed() && forward.count > 2_000)
    // The order of bytes equals the order of the signed numbers.
    let numbers = forward.map { Key($0.key).bytes.orderedInt64(at: 1) }
    #expect(numbers == numbers.sorted() && numbers.contains { $0 < 0 } && numbers.contains { $0 > 0 })
  }

  @Test func everyLengthOfKeyAndValueComesBack() throws {
    var generator = SeededGenerator(seed: 31)
    let environment = try Environment(path: directory.path, databases: ["main"], options: .creating)
    var reference: Table = [:]
    for count in 1...Key.capacity { reference[generator.bytes(count: count)] = generator.bytes(count: count) }
    for count in [0, 1, 7, 8, 9, 1_000, 2_000, 2_030, 2_040, 4_080, 4_096, 100_000, 3 << 20] {
      reference[Array("size \(count)".utf8)] = generator.bytes(count: count)
    }
    var writer = try EnvironmentTransaction(environment)
    for (key, value) in reference { try writer.put(Key(key), value, in: environment.databases[0]) }
    try writer.commit()
    let snapshot = try EnvironmentSnapshot(environment)
    for (key, expected) in reference {
      #expect(try value(key, snapshot.view, in: environment.databases[0]) == expected)
    }
    #expect(try snapshot.view.statistics(of: environment.databases[0]).entries == reference.count)
  }

  @Test func anEmptyKeyIsAnErrorAndNeverAnEntry() throws {
    let environment = try Environment(path: directory.path, databases: ["main"], options: .creating)
    let database = environment.databases[0]
    try commit(["key": [1]], to: environment)
    #expect(
      failure { () throws(LMDBError) in
        var writer = try EnvironmentTransaction(environment)
        try writer.put(Key(), [1], in: database)
      } != nil)
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(throws: LMDBError.self) { try value([], snapshot.view, in: database) }
    #expect(try entries(snapshot.view, in: database).count == 1)
  }
}
