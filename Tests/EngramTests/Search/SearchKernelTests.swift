import CSearchKernels
import TestSupport
import Testing

/// Every instruction set level of this processor, compared with a plain loop.
@Suite struct SearchKernelTests {
  private static let levels = Array(search_level_portable.rawValue...UInt32(search_best_level())).map(Int32.init)

  /// - Parameter body: Calls the kernel with the terms, which begin at an odd address, their count, and room for the places.
  private func found(in terms: [UInt32], _ body: (UnsafeRawPointer, Int, UnsafeMutablePointer<UInt32>) -> Int) -> [Int] {
    let bytes = [UInt8](repeating: 0xff, count: 1) + terms.flatMap { term in (0..<4).map { UInt8(truncatingIfNeeded: term >> (8 * $0)) } }
    var places = [UInt32](repeating: .max, count: terms.count + 1)
    // SAFETY: the terms begin at the second byte, and there is room for a place of each.
    let count = unsafe bytes.withUnsafeBytes { bytes in
      unsafe places.withUnsafeMutableBufferPointer { unsafe body(bytes.baseAddress! + 1, terms.count, $0.baseAddress!) }
    }
    #expect(places.last == .max, "nothing was written behind the room")
    return places.prefix(count).map(Int.init)
  }

  @Test(arguments: levels) func eachWantedTermIsFoundAndNoOther(level: Int32) {
    var generator = SeededGenerator(seed: 1)
    for count in [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 100, 641] {
      for wantedCount in [1, 2, 3, 24] {
        // Zero is among the terms, because the kernel also fills its registers with zeros beyond the end of the terms.
        let terms = (0..<count).map { _ in UInt32.random(in: 0..<60, using: &generator) &* 0x0101_0101 }
        let wanted = (0..<wantedCount).map { _ in UInt32.random(in: 0..<60, using: &generator) &* 0x0101_0101 }
        let places = unsafe found(in: terms) { unsafe search_find_terms(level, $0, $1, wanted, wantedCount, $2) }
        #expect(places == terms.indices.filter { wanted.contains(terms[$0]) }, "\(count) terms, \(wantedCount) wanted")
      }
    }
  }

  @Test func aFilterFindsTheTermsWhoseFirstBytesAreIts() {
    var generator = SeededGenerator(seed: 2)
    let terms = (0..<1000).map { _ in UInt32.random(in: 0...UInt32.max, using: &generator) }
    let wanted = Set(terms.prefix(40).map { $0 & 0xffff } + [0, 0xffff])
    var filter = [UInt64](repeating: 0, count: 1024)
    for bits in wanted { filter[Int(bits >> 6)] |= 1 << UInt64(bits & 63) }
    let places = unsafe found(in: terms + [0, .max]) { unsafe search_find_filtered_terms($0, $1, filter, $2) }
    #expect(places == (terms + [0, .max]).indices.filter { wanted.contains((terms + [0, .max])[$0] & 0xffff) })
  }
}
