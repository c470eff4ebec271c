/// Finds a key that occurs twice in one map, by the spellings of the keys in a growing buffer.
///
/// A spelling is unique, so keys are equal if their bytes are. Nothing is copied, and a map of one key costs nothing: otherwise keys
/// nested in keys would be copied and compared once for each level.
struct SpelledKeys {
  private var ranges: [Range<Int>] = []

  /// - Parameter range: Where the spelling is. Ranges come in ascending order.
  mutating func append(_ range: Range<Int>) { ranges.append(range) }

  /// The place, in the order of the keys, of one that is equal to an earlier one.
  ///
  /// - Complexity: O(n log n) comparisons.
  func duplicate(in bytes: [UInt8]) -> Int? {
    guard ranges.count > 1 else { return nil }
    return unsafe bytes.withUnsafeBytes { buffer in
      // The caller that appended a range has written its bytes into the buffer.
      func order(_ left: Int, _ right: Int) -> Int { unsafe CBORByteOrder.compare(buffer[ranges[left]], buffer[ranges[right]]) }
      let sorted = ranges.indices.sorted { left, right in
        let order = order(left, right)
        return order == 0 ? left < right : order < 0
      }
      return zip(sorted, sorted.dropFirst()).first { order($0, $1) == 0 }?.1
    }
  }

  /// Where the key at `place` begins.
  func start(of place: Int) -> Int { ranges[place].lowerBound }
}
