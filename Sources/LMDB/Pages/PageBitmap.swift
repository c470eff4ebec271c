/// A set of page numbers below a limit, a bit each.
struct PageBitmap {
  let limit: UInt64
  private var words: [UInt64]
  private(set) var count: UInt64 = 0

  init(limit: UInt64) {
    self.limit = limit
    words = [UInt64](repeating: 0, count: Int(limit / 64) + 1)
  }

  func contains(_ page: UInt64) -> Bool {
    page < limit && words[Int(page / 64)] & (1 << (page % 64)) != 0
  }

  /// Adds a page; false if it was there or is no page.
  mutating func insert(_ page: UInt64) -> Bool {
    guard page < limit else { return false }
    let bit: UInt64 = 1 << (page % 64)
    guard words[Int(page / 64)] & bit == 0 else { return false }
    words[Int(page / 64)] |= bit
    count += 1
    return true
  }

  mutating func remove(_ page: UInt64) {
    guard contains(page) else { return }
    words[Int(page / 64)] &= ~(1 << (page % 64))
    count -= 1
  }

  /// The first page from `start` on that is neither in this set nor in `other`, which has the same limit; nil if all are.
  func firstAbsent(from start: UInt64, orIn other: PageBitmap) -> UInt64? {
    guard start < limit else { return nil }
    var index = Int(start / 64)
    // What lies before `start` counts as present.
    var present = words[index] | other.words[index] | ((1 << (start % 64)) - 1)
    while present == .max {
      index += 1
      guard index < words.count else { return nil }
      present = words[index] | other.words[index]
    }
    let page = UInt64(index) * 64 + UInt64((~present).trailingZeroBitCount)
    return page < limit ? page : nil
  }

  /// The first page from `start` on that is in this set or in `other`; the limit if none is.
  func firstPresent(from start: UInt64, orIn other: PageBitmap) -> UInt64 {
    guard start < limit else { return limit }
    var index = Int(start / 64)
    var present = (words[index] | other.words[index]) & ~((1 << (start % 64)) - 1)
    while present == 0 {
      index += 1
      guard index < words.count else { return limit }
      present = words[index] | other.words[index]
    }
    return min(UInt64(index) * 64 + UInt64(present.trailingZeroBitCount), limit)
  }
}
