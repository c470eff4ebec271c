import Foundation
import TestSupport

@testable import Engram

/// An audit in plain loops over arrays: every pair compared in Double.
struct AuditReference {
  struct Item {
    let memory: Memory
    let components: [Float]?
  }

  /// Pairs of different embeddings by ids, with their cosines.
  struct PairKey: Hashable {
    let first: MemoryID
    let second: MemoryID
  }

  let options: AuditOptions
  let now: Int64
  let metric: Metric
  let dimension: Int
  /// The live memories in scope, by id.
  let items: [Item]
  let expired: Int
  let contexts: [String: Int]

  init(_ items: [Item], contexts: [String: Int], options: AuditOptions, now: Int64, dimension: Int, metric: Metric) {
    let own = items.filter { item in
      if case .user(let userID) = options.scope { item.memory.userID == userID } else { true }
    }
    self.items =
      own
      .filter { $0.memory.expiresAt.map { $0.milliseconds > now } ?? true }.sorted { $0.memory.id < $1.memory.id }
    expired = own.count - self.items.count
    if case .user(let userID) = options.scope {
      self.contexts = [userID: contexts[userID] ?? 0]
    } else {
      let all = Set(own.map(\.memory.userID)).union(contexts.keys)
      self.contexts = Dictionary(uniqueKeysWithValues: all.map { ($0, contexts[$0] ?? 0) })
    }
    (self.options, self.now, self.dimension, self.metric) = (options, now, dimension, metric)
  }

  // MARK: Sums

  var users: AuditReport.Users {
    let users = contexts.keys.map { userID in
      let own = items.filter { $0.memory.userID == userID }
      return AuditReport.User(
        userID: userID, memories: own.count, contexts: contexts[userID]!, embeddings: own.count { $0.components != nil },
        textBytes: own.reduce(0) { $0 + $1.memory.text.utf8.count })
    }
    let sorted = users.sorted { $0.memories != $1.memories ? $0.memories > $1.memories : Array($0.userID.utf8).precedes($1.userID.utf8) }
    let counts = users.map(\.memories).filter { $0 > 0 }
    return AuditReport.Users(
      count: users.count, memoriesPerUser: Quantiles(counts), withMemories: counts.count, largest: Array(sorted.prefix(options.limit)))
  }

  var times: AuditReport.Times {
    func expiring(_ days: Double) -> Int {
      items.count { $0.memory.expiresAt.map { $0 <= Date(milliseconds: now).addingTimeInterval(days * 86_400) } ?? false }
    }
    return AuditReport.Times(
      oldest: items.map(\.memory.createdAt).min(), newest: items.map(\.memory.createdAt).max(), expired: expired,
      expiringWithin7Days: expiring(7), expiringWithin30Days: expiring(30))
  }

  func names(_ names: (Memory) -> [String]) -> AuditReport.Names {
    var counts: [String: Int] = [:]
    for name in items.flatMap({ names($0.memory) }) { counts[name, default: 0] += 1 }
    let sorted = counts.sorted { $0.value != $1.value ? $0.value > $1.value : Array($0.key.utf8).precedes($1.key.utf8) }
    return AuditReport.Names(
      distinct: counts.count, occurrences: counts.values.reduce(0, +), uncounted: 0,
      commonest: sorted.prefix(options.limit).map { .init(name: $0.key, count: $0.value) })
  }

  var sessions: Int { Set(items.compactMap { item in item.memory.sessionID.map { [item.memory.userID, $0] } }).count }

  // MARK: The same

  func duplicates<Key: Hashable>(_ key: (Item) -> Key?) -> AuditReport.Duplicates {
    var groups: [[Item]] = []
    for userID in contexts.keys {
      let own = items.filter { $0.memory.userID == userID }
      for value in Set(own.compactMap(key)) { groups.append(own.filter { key($0) == value }) }
    }
    groups = groups.filter { $0.count > 1 }.sorted(by: Self.isLarger)
    return AuditReport.Duplicates(
      groups: groups.count, surplus: groups.reduce(0) { $0 + $1.count - 1 },
      largest: groups.prefix(options.limit).map { group in
        AuditReport.Group(
          userID: group[0].memory.userID, count: group.count, ids: group.prefix(options.limit).map(\.memory.id),
          excerpt: Self.excerpt(group[0].memory.text))
      })
  }

  var constants: AuditReport.Constants {
    let values = Set(items.compactMap(\.components))
    let groups = values.map { value in items.filter { $0.components == value } }
      .filter { $0.count >= options.constantCount }.sorted(by: Self.isLarger)
    return AuditReport.Constants(
      count: groups.count, memories: groups.reduce(0) { $0 + $1.count },
      largest: groups.prefix(options.limit).map { group in
        AuditReport.Constant(
          count: group.count, users: Set(group.map(\.memory.userID)).count, texts: Set(group.map { Array($0.memory.text.utf8) }).count,
          ids: group.prefix(options.limit).map(\.memory.id), excerpt: Self.excerpt(group[0].memory.text))
      })
  }

  private static func isLarger(_ left: [Item], _ right: [Item]) -> Bool {
    left.count != right.count ? left.count > right.count : left[0].memory.id < right[0].memory.id
  }

  static func excerpt(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    guard scalars.count > 80 else { return text }
    var cut = String.UnicodeScalarView()
    cut.append(contentsOf: scalars[..<80])
    return String(cut) + "…"
  }

  // MARK: Embeddings

  private static func dot(_ left: [Float], _ right: [Float]) -> Double { zip(left, right).reduce(0) { $0 + Double($1.0) * Double($1.1) } }

  /// Cosines of all pairs of a user's embeddings that are not zero; nil for an equal pair.
  var cosines: [PairKey: Double?] {
    var cosines: [PairKey: Double?] = [:]
    for (index, first) in items.enumerated() {
      for second in items[(index + 1)...] where first.memory.userID == second.memory.userID {
        guard let left = first.components, let right = second.components else { continue }
        let norms = (Self.dot(left, left) * Self.dot(right, right)).squareRoot()
        guard norms > 0 else { continue }
        let key = PairKey(first: first.memory.id, second: second.memory.id)
        cosines.updateValue(left == right ? nil : Self.dot(left, right) / norms, forKey: key)
      }
    }
    return cosines
  }

  func listing(_ condition: (Item) -> Bool) -> AuditReport.Listing<MemoryID> {
    let found = items.filter(condition).map(\.memory.id)
    return .init(count: found.count, first: Array(found.prefix(options.limit)))
  }

  var deadComponents: AuditReport.Listing<Int> {
    let rows = items.compactMap(\.components)
    let dead = rows.isEmpty ? [] : (0..<dimension).filter { component in rows.allSatisfy { $0[component] == 0 } }
    return .init(count: dead.count, first: Array(dead.prefix(options.limit)))
  }
}

extension [UInt8] {
  fileprivate func precedes(_ other: String.UTF8View) -> Bool { lexicographicallyPrecedes(other) }
}
