import Formats

/// Different byte patterns that are searched for all at once, in ascending order of their bytes.
///
/// ``PrefixFilter`` rules out most offsets of the searched bytes. At the others, ``PrefixTable`` gives the patterns that begin with the
/// eight bytes at the offset, and a binary search compares these with the bytes that follow.
final class PatternSet: Sendable {
  /// The least bytes of a pattern: the prefix that is looked up.
  static let shortestBytes = 8

  /// The patterns, end to end.
  private let storage: [UInt8]
  /// Where each begins, and the end of the last.
  private let starts: [Int]
  /// For each pattern the longest other pattern that it begins with; −1: none.
  private let shorter: [Int32]
  private let kinds: [ErasureScan.Kind]
  private let filter: PrefixFilter
  private let table: PrefixTable
  /// Bytes of the longest pattern; ``shortestBytes`` if there is none.
  let longestBytes: Int

  /// - Parameter list: Of equal patterns, the first is kept with its kind.
  /// - Complexity: O(n log n) comparisons.
  init(_ list: PatternList) {
    precondition(list.count < Int32.max, "a set has fewer than 2³¹ patterns")
    let order = Self.order(list)
    var storage: [UInt8] = []
    var starts = [0]
    var kinds: [ErasureScan.Kind] = []
    var shorter: [Int32] = []
    var table = PrefixTable(minimumCapacity: order.count)
    var (shortest, longest) = (Int.max, Self.shortestBytes)
    // The patterns that the last pattern begins with, the shortest first, and at the end that pattern itself.
    var chain: [Int] = []
    for index in order {
      let pattern = list.storage[list.range(of: index)]
      while let top = chain.last, !pattern.starts(with: storage[starts[top]..<starts[top + 1]]) { chain.removeLast() }
      if let top = chain.last, starts[top + 1] - starts[top] == pattern.count { continue }
      shorter.append(Int32(chain.last ?? -1))
      chain.append(kinds.count)
      table.append(prefix: Self.prefix(of: list, at: index), pattern: kinds.count)
      storage.append(contentsOf: pattern)
      starts.append(storage.count)
      kinds.append(list.kinds[index])
      shortest = min(shortest, pattern.count)
      longest = max(longest, pattern.count)
    }
    self.storage = storage
    self.starts = starts
    self.kinds = kinds
    self.shorter = shorter
    self.table = table
    var filter = PrefixFilter(count: kinds.count, shortestBytes: shortest)
    for index in kinds.indices { filter.insert(unsafe storage.span.bytes.extracting(starts[index]..<starts[index + 1])) }
    self.filter = filter
    longestBytes = longest
  }

  var count: Int { kinds.count }

  func kind(of pattern: Int) -> ErasureScan.Kind { kinds[pattern] }

  func bytes(of pattern: Int) -> ArraySlice<UInt8> { storage[starts[pattern]..<starts[pattern + 1]] }

  /// A set of the patterns for which `isIncluded` returns true.
  func filtered(_ isIncluded: (Int) -> Bool) -> PatternSet {
    var list = PatternList()
    for index in 0..<count where isIncluded(index) { list.append(kinds[index], bytes(of: index)) }
    return PatternSet(list)
  }

  /// The number of patterns of each kind for which `isIncluded` returns true.
  func counts(_ isIncluded: (Int) -> Bool) -> [ErasureScan.Kind: Int] {
    (0..<count).reduce(into: [:]) { counts, index in
      if isIncluded(index) { counts[kinds[index], default: 0] += 1 }
    }
  }

  // MARK: Building

  /// The indexes of a list in ascending order of their patterns; equal patterns keep their order.
  private static func order(_ list: PatternList) -> [Int] {
    let keys = (0..<list.count).map { (prefix: UInt64(bigEndian: prefix(of: list, at: $0)), index: $0) }
    return unsafe list.storage.withUnsafeBytes { bytes in
      // SAFETY: the ranges lie inside the storage, which is lent for the whole sorting.
      keys.sorted { left, right in
        if left.prefix != right.prefix { return left.prefix < right.prefix }
        let order = unsafe CBORByteOrder.compare(bytes[list.range(of: left.index)], bytes[list.range(of: right.index)])
        return order != 0 ? order < 0 : left.index < right.index
      }.map(\.index)
    }
  }

  private static func prefix(of list: PatternList, at index: Int) -> UInt64 {
    // SAFETY: every pattern of a list has eight bytes.
    unsafe list.storage.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: list.range(of: index).lowerBound, as: UInt64.self) }
  }

  // MARK: Searching

  /// Calls `body` for every occurrence of a pattern that begins before `limit`, in ascending order of offsets; at one offset the longest
  /// first.
  ///
  /// - Complexity: O(bytes), and O(log patterns) comparisons at each offset at which the first eight bytes of a pattern occur.
  func forEachMatch(in bytes: RawSpan, startsBelow limit: Int = .max, _ body: (_ pattern: Int, _ offset: Int) -> Void) {
    filter.forEachCandidate(in: bytes, below: min(limit, bytes.byteCount - Self.shortestBytes + 1)) { offset, prefix in
      guard let candidates = table.patterns(with: prefix) else { return }
      forEachMatch(among: candidates, in: bytes, at: offset, body)
    }
  }

  /// The last pattern that does not sort after the bytes at the offset begins with every pattern that occurs there, or is one itself. So
  /// ``shorter``, followed from that pattern, leads to all of them.
  @inline(never)
  private func forEachMatch(
    among candidates: Range<Int>, in bytes: RawSpan, at offset: Int, _ body: (_ pattern: Int, _ offset: Int) -> Void
  ) {
    var (low, high) = (candidates.lowerBound, candidates.upperBound)
    while low < high {
      let middle = (low + high) / 2
      if compare(middle, bytes, offset) <= 0 { low = middle + 1 } else { high = middle }
    }
    var pattern = low - 1
    while pattern >= candidates.lowerBound {
      if compare(pattern, bytes, offset) == 0 { body(pattern, offset) }
      pattern = Int(shorter[pattern])
    }
  }

  /// Negative if the pattern sorts before the bytes at the offset, zero if they begin with it, positive if it sorts after them.
  private func compare(_ pattern: Int, _ bytes: RawSpan, _ offset: Int) -> Int {
    let range = starts[pattern]..<starts[pattern + 1]
    return unsafe storage.withUnsafeBytes { storage in
      unsafe bytes.withUnsafeBytes { bytes in
        // SAFETY: both ranges lie inside their buffers, which are lent for the call.
        unsafe CBORByteOrder.compare(storage[range], bytes[offset..<min(offset + range.count, bytes.count)])
      }
    }
  }
}
