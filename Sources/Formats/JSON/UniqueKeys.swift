/// The keys of one object seen so far, compared byte for byte: Swift's own string equality would take é for e + ◌́.
package struct UniqueKeys {
  private var few: [String] = []
  private var many: Set<[UInt8]> = []

  package init() {}

  /// Adds `key` and returns true, or returns false when it is there already.
  ///
  /// - Complexity: O(1) expected; a short list is searched instead of hashed.
  package mutating func insert(_ key: String) -> Bool {
    if many.isEmpty {
      guard !few.contains(where: { $0.hasSameBytes(as: key) }) else { return false }
      few.append(key)
      if few.count > 16 { many = Set(few.map { Array($0.utf8) }) }
      return true
    }
    return many.insert(Array(key.utf8)).inserted
  }
}
