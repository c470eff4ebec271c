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

  /// Bounds that differ in one bit could exclude a row on one machine and not on another.
  @Test(arguments: levels, [Int32(4), 2]) func everyLevelBoundsScoresAsThePlainLoopDoes(level: Int32, bits: Int32) {
    var generator = SeededGenerator(seed: 3)
    func floats(_ count: Int) -> [Float] { (0..<count).map { _ in Float.random(in: -1...1, using: &generator) } }
    for dimension in [1, 2, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 384, 1000, 4096, 8192] {
      let (mean, vector) = (floats(dimension), floats(dimension))
      let codeBytes = search_code_bytes(dimension, bits)
      // The codes begin at an odd address.
      var codes = [UInt8](repeating: 0, count: 128 * codeBytes + 1)
      var metadata = (0..<128).map { row in
        unsafe codes.withUnsafeMutableBufferPointer { codes in
          unsafe search_encode(floats(dimension), mean, dimension, bits, codes.baseAddress! + 1 + row * codeBytes)
        }
      }
      (metadata[3], metadata[77]) = (0, 0x7f80)
      var values = [Int8](repeating: 0, count: codeBytes * 8 / Int(bits))
      var query = search_code_query()
      unsafe _ = search_prepare_code_query(vector, mean, dimension, bits, &values, &query)
      for (rows, threshold) in [(0, Float(0)), (1, 0.1), (5, -0.2), (63, 0.3), (64, 0), (65, 1), (127, 0.05), (128, 0), (128, .infinity)] {
        func found(_ level: Int32) -> (bounds: [UInt32], possible: [UInt64], probable: [UInt64]) {
          var bounds = [Float](repeating: .nan, count: 128)
          var masks = search_code_masks()
          unsafe codes.withUnsafeBufferPointer { codes in
            unsafe search_filter_codes(
              level, bits, codes.baseAddress! + 1, metadata, rows, codeBytes, values, &query, threshold, 0.07, &bounds, &masks)
          }
          return (
            bounds.map(\.bitPattern), [masks.possible.0, masks.possible.1], [masks.probable.0, masks.probable.1]
          )
        }
        let (plain, other) = (found(Int32(search_level_portable.rawValue)), found(level))
        #expect(
          plain.bounds == other.bounds && plain.possible == other.possible && plain.probable == other.probable, "\(dimension), \(rows) rows"
        )
        if rows > 77 { #expect(plain.possible[0] & 8 != 0 && plain.possible[1] & 1 << 13 != 0) }
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
