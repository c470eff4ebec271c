import Checksums

/// Token ids by the UTF-8 of their tokens: a hash table with linear probing over one array of bytes.
struct Vocabulary: Sendable {
  /// The tokens, one after the other.
  private var bytes: [UInt8] = []
  private var entries: [Entry] = []
  /// The hash table: each slot has the index of an entry plus one, or 0 if it is free. Their number is a power of two.
  private var slots: [Int32]
  /// The bytes of the longest token.
  private(set) var longestByteCount = 0

  private struct Entry {
    let start: Int32
    let count: Int32
    let id: Int32
  }

  /// - Parameter capacity: How many tokens will be inserted, at most.
  init(capacity: Int) {
    var count = 16
    while count < capacity * 2 { count *= 2 }
    slots = [Int32](repeating: 0, count: count)
    entries.reserveCapacity(capacity)
  }

  /// - Returns: False if the token is there already.
  mutating func insert(_ token: some Collection<UInt8>, id: Int32) -> Bool {
    let token = ArraySlice(token)
    let slot = slot(of: token)
    guard slots[slot] == 0 else { return false }
    entries.append(Entry(start: Int32(bytes.count), count: Int32(token.count), id: id))
    bytes.append(contentsOf: token)
    slots[slot] = Int32(entries.count)
    longestByteCount = max(longestByteCount, token.count)
    return true
  }

  subscript(token: ArraySlice<UInt8>) -> Int32? {
    let slot = slots[slot(of: token)]
    return slot == 0 ? nil : entries[Int(slot) - 1].id
  }

  /// The slot that has the token, or the free slot where it belongs.
  private func slot(of token: ArraySlice<UInt8>) -> Int {
    // SAFETY: the bytes are alive for the call.
    let hash = unsafe token.withUnsafeBytes { unsafe XXH3.hash64($0) }
    var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
    while slots[slot] != 0 {
      let entry = entries[Int(slots[slot]) - 1]
      if Int(entry.count) == token.count, bytes[Int(entry.start)..<Int(entry.start + entry.count)].elementsEqual(token) { break }
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }
}
