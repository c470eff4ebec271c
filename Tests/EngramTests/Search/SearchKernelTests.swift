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

  /// `verify` compares the bytes of each code with those that it makes, on any machine and beside any other rows.
  @Test(arguments: levels, [Int32(4), 2]) func everyLevelEncodesAsThePlainLoopDoes(level: Int32, bits: Int32) {
    var generator = SeededGenerator(seed: 5)
    for dimension in [1, 2, 3, 4, 5, 31, 63, 64, 65, 100, 129, 384, 1001, 8192] {
      func floats(_ count: Int, _ size: Float) -> [Float] { (0..<count).map { _ in Float.random(in: -size...size, using: &generator) } }
      let (mean, stride, codeBytes) = (floats(dimension, 0.2), dimension + 3, search_code_bytes(dimension, bits))
      var rows = (0..<23).map { _ in floats(dimension, 1) }
      rows[1] = [Float](repeating: 0, count: dimension)
      rows[2] = mean
      for (row, factor) in [(3, Float(0x1p-140)), (4, 1e18), (5, 1e-18), (6, 1e30)] { rows[row] = rows[row].map { $0 * factor } }
      for (row, value) in [(7, Float.infinity), (8, -.infinity), (9, .nan), (10, .greatestFiniteMagnitude)] {
        rows[row][dimension / 2] = value
      }
      let expected = rows.map { Self.code(of: $0, mean: mean, bits: Int(bits), byteCount: codeBytes) }
      for count in [1, 2, 3, 4, 5, 23] {
        // Behind the last row lies nothing.
        let strides = Array(rows.prefix(count).flatMap { $0 + [.nan, .nan, .nan] }.dropLast(3))
        var codes = [UInt8](repeating: 0x55, count: count * codeBytes + 2)
        var metadata = [UInt32](repeating: 0x5555, count: count + 1)
        unsafe codes.withUnsafeMutableBufferPointer { codes in
          unsafe search_encode_rows(level, strides, count, stride, mean, dimension, bits, codes.baseAddress! + 1, &metadata)
        }
        #expect(Array(metadata) == expected.prefix(count).map(\.metadata) + [0x5555], "\(count) rows of \(dimension)")
        #expect(codes == [0x55] + expected.prefix(count).flatMap(\.code) + [0x55], "\(count) rows of \(dimension)")
      }
    }
  }

  /// The code of a row, component by component: see FileFormat.md ("codes").
  private static func code(of row: [Float], mean: [Float], bits: Int, byteCount: Int) -> (code: [UInt8], metadata: UInt32) {
    let (step, levels) = (bits == 4 ? 0.3352 : 0.9957, Double(1 << bits))
    let centered = zip(row, mean).map { Double($0) - Double($1) }
    func sum(_ values: some Sequence<Double>) -> Double { values.reduce(0) { $0 + $1 } }
    let norm = sum(centered.map { $0 * $0 })
    var inverse = norm > 0 ? 1 / ((norm / Double(row.count)).squareRoot() * step) : 0
    if !(inverse < 1e300) { inverse = 0 }
    let values = centered.map { component in
      let level = (component * inverse).rounded(.down) + levels / 2
      return level >= 0 ? min(level, levels - 1) : 0
    }
    var code = [UInt8](repeating: 0, count: byteCount)
    for (place, value) in values.enumerated() { code[place % byteCount] |= UInt8(value) << UInt8(bits * (place / byteCount)) }
    let offsets = values.map { $0 - (levels / 2 - 0.5) }
    let (product, square) = (sum(zip(centered, offsets).map { $0 * $1 }), sum(offsets.map { $0 * $0 }))
    let scaleBits = (Float(square > 0 ? product / square : 0).bitPattern &+ 0x8000) >> 16
    let scale = Double(Float(bitPattern: scaleBits << 16))
    let error = sum(zip(centered, offsets).map { ($0 - scale * $1) * ($0 - scale * $1) })
    let steps = (Double(row.count) + 16) * 0x1p-24
    let rowNorm = sum(row.map { Double($0) * Double($0) }).squareRoot()
    let meanNorm = sum(mean.map { Double($0) * Double($0) }).squareRoot()
    let radius = error.squareRoot() * (1 + 1e-9) + (1.5 * steps / (1 - steps) + 4e-6) * (rowNorm + meanNorm) + 1e-40
    guard radius < 1e30, scale.isFinite else { return (code, 0x7f80) }
    let single = Float(radius)
    let up = single.bitPattern + (Double(single) < radius ? 1 : 0)
    return (code, scaleBits << 16 | (up + 0xffff) >> 16)
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
      var metadata = [UInt32](repeating: 0, count: 128)
      unsafe codes.withUnsafeMutableBufferPointer { codes in
        unsafe search_encode_rows(
          level, floats(128 * dimension), 128, dimension, mean, dimension, bits, codes.baseAddress! + 1, &metadata)
      }
      (metadata[3], metadata[77]) = (0, 0x7f80)
      var values = [Int8](repeating: 0, count: codeBytes * 8 / Int(bits))
      var query = search_code_query()
      unsafe _ = search_prepare_code_query(vector, mean, dimension, bits, &values, &query)
      let excludesByEstimates = dimension % 2 == 1
      if excludesByEstimates { query.largestError = medianError(metadata) }
      for (rows, threshold) in [
        (0..<0, Float(0)), (0..<16, 0.1), (16..<32, -0.2), (48..<80, 0.3), (112..<128, 0), (64..<128, 1), (0..<128, 0.05), (0..<128, 0),
        (0..<128, .infinity),
      ] {
        func found(_ level: Int32) -> (bounds: [UInt32], possible: [UInt64], probable: [UInt64]) {
          var bounds = [Float](repeating: .nan, count: 128)
          var masks = search_code_masks()
          unsafe codes.withUnsafeBufferPointer { codes in
            unsafe search_filter_codes(
              level, bits, codes.baseAddress! + 1, metadata, rows.lowerBound, rows.upperBound, codeBytes, 128 * (codeBytes + 4), values,
              &query, threshold, 0.07, &bounds, &masks)
          }
          return (
            bounds.map(\.bitPattern), [masks.possible.0, masks.possible.1], [masks.probable.0, masks.probable.1]
          )
        }
        let (plain, other) = (found(Int32(search_level_portable.rawValue)), found(level))
        #expect(
          plain.bounds == other.bounds && plain.possible == other.possible && plain.probable == other.probable, "\(dimension), \(rows) rows"
        )
        if rows.count == 128 {
          #expect(plain.possible[0] & 8 != 0 && plain.possible[1] & 1 << 13 != 0)
          // Larger errors than that make a row survive.
          let surviving = plain.bounds.count { $0 == Float.infinity.bitPattern }
          #expect(excludesByEstimates ? 2 < surviving && surviving < 120 : surviving == 2, "\(dimension)")
        }
      }
    }
  }

  /// Several queries at once find what each of them finds alone: with whole tiles and with parts, with one window of codes or two.
  @Test(arguments: levels, [Int32(4), 2]) func everyLevelBoundsTheScoresOfSeveralQueriesAsOfOne(level: Int32, bits: Int32) {
    var generator = SeededGenerator(seed: 6)
    func floats(_ count: Int) -> [Float] { (0..<count).map { _ in Float.random(in: -1...1, using: &generator) } }
    for dimension in [1, 32, 65, 128, 129, 193, 384] {
      let mean = floats(dimension)
      let codeBytes = search_code_bytes(dimension, bits)
      // The codes begin at an odd address.
      var codes = [UInt8](repeating: 0, count: 128 * codeBytes + 1)
      var metadata = [UInt32](repeating: 0, count: 128)
      unsafe codes.withUnsafeMutableBufferPointer { codes in
        unsafe search_encode_rows(level, floats(128 * dimension), 128, dimension, mean, dimension, bits, codes.baseAddress! + 1, &metadata)
      }
      (metadata[3], metadata[77]) = (0, 0x7f80)
      let count = 17
      let valueCount = codeBytes * 8 / Int(bits)
      var values = [[Int8]](repeating: [Int8](repeating: 0, count: valueCount), count: count)
      var queries = [search_code_query](repeating: search_code_query(), count: count)
      // The products with it are the greatest that there are.
      let greatest = (0..<dimension).map { Float($0 % 2 == 0 ? 1 : -1) }
      var tiles = [Int8](repeating: 0, count: 24 * valueCount)
      for number in 0..<count {
        let vector = number == 9 ? greatest : floats(dimension)
        unsafe _ = search_prepare_code_query(vector, mean, dimension, bits, &values[number], &queries[number])
        if number % 3 == 1 { queries[number].largestError = medianError(metadata) }
        unsafe tiles.withUnsafeMutableBufferPointer {
          unsafe search_place_in_tile(values[number], valueCount, Int32(number % 8), $0.baseAddress! + number / 8 * 8 * valueCount)
        }
      }
      let thresholds = (0..<count).map { [Float(0), 0.1, -0.2, 1, .infinity, -.infinity][$0 % 6] }
      for (queryCount, rows) in zip([1, 2, 3, 4, 5, 6, 7, 8, 13, 17], [0..<128, 0..<16, 16..<128, 48..<80, 0..<128, 112..<128].cycled(10)) {
        let roomCount = search_tile_room(codeBytes, bits)
        var room = [UInt8](repeating: 0x55, count: roomCount + 2)
        var bounds = [Float](repeating: .nan, count: queryCount * 128 + 1)
        var masks = [search_code_masks](repeating: search_code_masks(), count: queryCount)
        unsafe codes.withUnsafeBufferPointer { codes in
          unsafe room.withUnsafeMutableBufferPointer { room in
            unsafe search_filter_tiles(
              level, bits, codes.baseAddress! + 1, metadata, rows.lowerBound, rows.upperBound, codeBytes, 128 * (codeBytes + 4), tiles,
              queries,
              thresholds, queryCount, 0.07, room.baseAddress! + 1, &bounds, &masks)
          }
        }
        #expect(room.first == 0x55 && room.last == 0x55 && bounds.last?.isNaN == true, "nothing was written behind the room")
        for number in 0..<queryCount {
          var expected = [Float](repeating: .nan, count: 128)
          var expectedMasks = search_code_masks()
          unsafe codes.withUnsafeBufferPointer { codes in
            unsafe search_filter_codes(
              Int32(search_level_portable.rawValue), bits, codes.baseAddress! + 1, metadata, rows.lowerBound, rows.upperBound, codeBytes,
              128 * (codeBytes + 4), values[number], &queries[number], thresholds[number], 0.07, &expected, &expectedMasks)
          }
          let found = bounds[number * 128..<number * 128 + 128]
          #expect(
            found.map(\.bitPattern) == expected.map(\.bitPattern) && masks[number].possible == expectedMasks.possible
              && masks[number].probable == expectedMasks.probable, "\(dimension) components, query \(number) of \(queryCount), \(rows)")
        }
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

  /// Intervals that differ in one bit could score a row on one machine and not on another.
  @Test(arguments: levels, [Int32(4), 2]) func everyLevelGivesTheIntervalsOfThePlainLoop(level: Int32, bits: Int32) {
    var generator = SeededGenerator(seed: 4)
    func floats(_ count: Int) -> [Float] { (0..<count).map { _ in Float.random(in: -1...1, using: &generator) } }
    for dimension in [1, 31, 32, 33, 64, 65, 127, 128, 129, 384, 1000, 8192] {
      let (mean, vector) = (floats(dimension), floats(dimension))
      let codeBytes = search_code_bytes(dimension, bits)
      // The codes begin at an odd address.
      var codes = [UInt8](repeating: 0, count: 150 * codeBytes + 1)
      var metadata = [UInt32](repeating: 0, count: 150)
      unsafe codes.withUnsafeMutableBufferPointer { codes in
        unsafe search_encode_rows(
          level, floats(150 * dimension), 150, dimension, mean, dimension, bits, codes.baseAddress! + 1, &metadata)
      }
      (metadata[3], metadata[77]) = (0, 0x7f80)
      var values = [Int8](repeating: 0, count: codeBytes * 8 / Int(bits))
      var query = search_code_query()
      let center = unsafe search_prepare_code_query(vector, mean, dimension, bits, &values, &query)
      for rows in [0, 1, 15, 16, 17, 33, 127, 128, 129, 150] {
        func found(_ level: Int32) -> [UInt32] {
          var (lower, upper) = ([Float](repeating: .nan, count: 151), [Float](repeating: .nan, count: 151))
          unsafe codes.withUnsafeBufferPointer { codes in
            unsafe search_bound_codes(
              level, bits, codes.baseAddress! + 1, metadata, rows, codeBytes, values, &query, center, &lower, &upper)
          }
          #expect(lower[rows...].allSatisfy(\.isNaN) && upper[rows...].allSatisfy(\.isNaN), "nothing was written behind the room")
          return (lower + upper).map(\.bitPattern)
        }
        #expect(found(level) == found(Int32(search_level_portable.rawValue)), "\(dimension) components, \(rows) rows")
      }
    }
  }
}

extension Array {
  /// The elements again and again, `count` of them.
  fileprivate func cycled(_ count: Int) -> [Element] { (0..<count).map { self[$0 % self.count] } }
}

/// The median of R / |s| of codes.
private func medianError(_ metadata: [UInt32]) -> Float {
  metadata.map { Float(bitPattern: $0 << 16) / abs(Float(bitPattern: $0 & 0xffff_0000)) }.filter(\.isFinite).sorted()[60]
}
