import TestSupport
import Testing
import VectorSearch

@Suite struct VectorPreparationTests {
  private func prepare(_ values: [Float], _ metric: RowMetric = .cosine) throws(VectorError) -> [Float] {
    try VectorPreparation.prepare(values, dimension: values.count, metric: metric)
  }

  private func norm(_ values: [Float]) -> Double { values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() }

  @Test func cosineVectorsBecomeUnitVectorsOfTheSameDirection() throws {
    var generator = SeededGenerator(seed: 90)
    for round in 0..<500 {
      let dimension = Int.random(in: 1...400, using: &generator)
      // From 10⁻³⁰ to 10¹⁶.
      let scale = Float(sign: .plus, exponent: Int.random(in: -100...53, using: &generator), significand: 1)
      let values = randomVector(dimension, &generator).map { $0 * scale }
      let prepared = try prepare(values)
      #expect(abs(norm(prepared) - 1) < 1e-6, "round \(round)")
      let length = norm(values)
      for (before, after) in zip(values, prepared) { #expect(abs(Double(before) / length - Double(after)) < 1e-7) }
      // A prepared vector is not changed when it is prepared again.
      #expect(try prepare(prepared).map(\.bitPattern) == prepared.map(\.bitPattern))
    }
  }

  @Test func nearlyUnitVectorsAreKeptBitForBit() throws {
    for steps in -5...5 {
      // One step of a Float is 1.2 × 10⁻⁷ above one, half of that below.
      var value: Float = 1
      for _ in 0..<abs(steps) { value = steps > 0 ? value.nextUp : value.nextDown }
      let isWithin = abs(Double(value) * Double(value) - 1) <= 1e-6
      #expect(isWithin == (steps < 5))
      #expect(try prepare([value, -0.0]).map(\.bitPattern) == [isWithin ? value.bitPattern : Float(1).bitPattern, Float(-0.0).bitPattern])
    }
    #expect(try prepare([1 - 6e-7]) == [1])
  }

  @Test func dotVectorsAreKeptBitForBit() throws {
    var generator = SeededGenerator(seed: 91)
    for values in [[0, 0], [-0.0], [.leastNonzeroMagnitude, 3], [1e18], randomVector(100, &generator).map { $0 * 1e6 }] as [[Float]] {
      #expect(try prepare(values, .dot).map(\.bitPattern) == values.map(\.bitPattern))
    }
  }

  @Test(arguments: [[0], [0, 0, 0], [-0.0, 0, 0, 0, 0]] as [[Float]])
  func aVectorWithoutADirectionHasNoCosine(values: [Float]) throws {
    #expect(throws: VectorError.zeroNorm) { try prepare(values) }
  }

  @Test func theSmallestNumbersStillHaveADirection() throws {
    #expect(try prepare([.leastNonzeroMagnitude]) == [1])
    #expect(try prepare([0, -.leastNonzeroMagnitude, 0, 0, 0]) == [0, -1, 0, 0, 0])
    #expect(try prepare([3, 4].map { $0 * Float.leastNormalMagnitude }) == [0.6, 0.8])
  }

  @Test(arguments: [RowMetric.cosine, .dot]) func normsEndAtTenToTheEighteen(metric: RowMetric) throws {
    let largest = Float(1e18)
    #expect(Double(largest) <= 1e18 && Double(largest.nextUp) > 1e18)
    #expect(try prepare([largest], metric) == [metric == .cosine ? 1 : largest])
    #expect(throws: VectorError.normTooLarge(Double(largest.nextUp))) { try prepare([-largest.nextUp], metric) }
    let twice = (2 * Double(largest) * Double(largest)).squareRoot()
    #expect(throws: VectorError.normTooLarge(twice)) { try prepare([largest, largest], metric) }
    #expect(throws: VectorError.self) { try prepare([Float](repeating: .greatestFiniteMagnitude, count: 1_000), metric) }
    // The product of two components at the bound is still finite.
    #expect((largest * largest).isFinite)
  }

  @Test(arguments: [RowMetric.cosine, .dot]) func theFirstComponentThatIsNotFiniteIsNamed(metric: RowMetric) throws {
    var generator = SeededGenerator(seed: 92)
    for _ in 0..<300 {
      var values = randomVector(Int.random(in: 1...70, using: &generator), &generator)
      let bad = (0..<Int.random(in: 1...3, using: &generator)).map { _ in Int.random(in: 0..<values.count, using: &generator) }
      for index in bad { values[index] = [.nan, .infinity, -.infinity, .signalingNaN].randomElement(using: &generator) ?? .nan }
      // A large but finite component before it must not be named.
      if let first = bad.min(), first > 0 { values[0] = .greatestFiniteMagnitude }
      #expect(throws: VectorError.notFinite(index: bad.min() ?? -1)) { try prepare(values, metric) }
    }
  }

  @Test(arguments: [0, 2, 4, 100]) func anotherDimensionIsRefusedBeforeAnythingElse(count: Int) {
    #expect(throws: VectorError.dimensionMismatch(expected: 3, found: count)) {
      try VectorPreparation.prepare([Float](repeating: .nan, count: count), dimension: 3, metric: .cosine)
    }
  }

  @Test func squaredNormsAddInTheirOneOrder() {
    var generator = SeededGenerator(seed: 93)
    for count in 0..<200 {
      let values = randomVector(count, &generator)
      var lanes = [0.0, 0.0, 0.0, 0.0]
      let whole = count / 4 * 4
      for index in 0..<whole { lanes[index % 4] += Double(values[index]) * Double(values[index]) }
      var expected = lanes[0] + lanes[1] + lanes[2] + lanes[3]
      for index in whole..<count { expected += Double(values[index]) * Double(values[index]) }
      #expect(VectorPreparation.squaredNorm(values.span).bitPattern == expected.bitPattern)
    }
  }
}
