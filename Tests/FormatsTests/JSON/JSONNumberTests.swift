import Testing
@testable import Formats

@Suite struct JSONNumberTests {
  private func double(_ text: String) throws -> Double { try JSONReader.read(Array(text.utf8)) { try $0.readDouble() } }
  private func float(_ text: String) throws -> Float { try JSONReader.read(Array(text.utf8)) { try $0.readFloat() } }

  private func digits(_ count: Int, _ random: inout JSONTestRandom) -> String {
    String((0..<count).map { _ in "0123456789".randomElement(using: &random) ?? "0" })
  }

  /// A number in one of many shapes: fractions, exponents, subnormals, long mantissas, many zeros.
  private func decimal(_ random: inout JSONTestRandom) -> String {
    let sign = Bool.random(using: &random) ? "-" : ""
    func integer(_ count: Int) -> String { "\(Int.random(in: 1...9, using: &random))" + digits(count - 1, &random) }
    func small() -> Int { Int.random(in: 1...20, using: &random) }
    switch Int.random(in: 0..<10, using: &random) {
    case 0: return sign + "0." + digits(Int.random(in: 6...9, using: &random), &random)
    case 1: return sign + integer(small()) + "." + digits(small(), &random)
    case 2: return sign + integer(30) + "e" + String(Int.random(in: -340...270, using: &random))
    case 3: return sign + "0." + String(repeating: "0", count: small() * 2) + digits(small(), &random)
    case 4: return sign + integer(small()) + "E+" + String(Int.random(in: 0...30, using: &random))
    case 5: return sign + integer(small()) + "e-" + String(Int.random(in: 0...30, using: &random))
    case 6: return sign + integer(1) + "." + digits(small(), &random) + "e-" + String(Int.random(in: 300...330, using: &random))
    case 7: return sign + integer(small())
    case 8: return random.finiteDouble().description
    default: return sign + integer(1) + "." + digits(16, &random) + "e" + String(Int.random(in: -45...40, using: &random))
    }
  }

  @Test func doublesAreCorrectlyRounded() throws {
    var random = JSONTestRandom(seed: 1)
    var compared = 0
    for _ in 0..<200_000 {
      let text = decimal(&random)
      let expected = try #require(Double(text))
      if expected.isInfinite {
        #expect(refusal(text) == .numberOutOfRange)
        continue
      }
      let actual = try double(text)
      if actual.bitPattern != expected.bitPattern { Issue.record("\(text) read as \(actual), not \(expected)") }
      compared += 1
    }
    #expect(compared > 190_000)
  }

  @Test func floatsAreRoundedOnce() throws {
    var random = JSONTestRandom(seed: 2)
    for _ in 0..<100_000 {
      let text = decimal(&random)
      let expected = try #require(Float(text))
      guard expected.isFinite else { continue }
      let actual = try float(text)
      if actual.bitPattern != expected.bitPattern { Issue.record("\(text) read as \(actual), not \(expected)") }
    }
    // Rounding to a double first and then to a float would give the neighbour.
    #expect(try float("7.038531e-26") == Float("7.038531e-26"))
    #expect(Float(try double("7.038531e-26")) != Float("7.038531e-26"))
    #expect(try float("16777217") == 16_777_216)
    #expect(try float("16777217.00000000001") == 16_777_218)
    #expect(try float("3.4028235e38") == .greatestFiniteMagnitude)
    #expect(jsonError { _ = try float("3.4028236e38") }?.code == .numberOutOfRange)
    #expect(try float("1e-45") == .leastNonzeroMagnitude)
    #expect(try float("-1e-60").bitPattern == (-Float.zero).bitPattern)
  }

  @Test func everyShortestFormReadsBack() throws {
    var random = JSONTestRandom(seed: 3)
    for _ in 0..<50_000 {
      let value = random.finiteDouble()
      #expect(try double(value.description).bitPattern == value.bitPattern)
      let narrow = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
      guard narrow.isFinite else { continue }
      #expect(try float(narrow.description).bitPattern == narrow.bitPattern)
    }
  }

  @Test func tiesAndBoundariesRoundToEven() throws {
    // 2^53 + 1 and its neighbours, with digits far behind the point that decide the rounding.
    #expect(try double("9007199254740993") == 9_007_199_254_740_992)
    #expect(try double("9007199254740993.0000000000000000000000000001") == 9_007_199_254_740_994)
    #expect(try double("9007199254740992999999e-6") == 9_007_199_254_740_992)
    #expect(try double("9007199254740993000001e-6") == 9_007_199_254_740_994)
    #expect(try double("1e23") == 1e23)
    #expect(try double("8.5e22") == 8.5e22)
    #expect(try double("4.9406564584124654e-324") == .leastNonzeroMagnitude)
    #expect(try double("2.4703282292062327e-324") == 0)
    #expect(try double("2.2250738585072011e-308") == Double.leastNormalMagnitude.nextDown)
    #expect(try double("1.7976931348623157e308") == .greatestFiniteMagnitude)
    #expect(jsonError { _ = try double("1.7976931348623159e308") }?.code == .numberOutOfRange)
    #expect(try double("1e-400") == 0)
    #expect(try double("0e999999999999") == 0)
    #expect(try double("-0").sign == .minus)
    #expect(try double("-0.0e5").sign == .minus)
    #expect(try double("0.0000000000000000000000000000000000001") == 1e-37)
    #expect(try double("1" + String(repeating: "0", count: 308)) == 1e308)
    #expect(try double("0." + String(repeating: "0", count: 5000) + "1e5001") == 1)
    #expect(try double("18446744073709551615e-19") == 1.8446744073709551615)
    #expect(try double("18446744073709551615e3") == 18446744073709551615e3)
  }

  @Test func eightDigitsAtATimeEqualOneAtATime() throws {
    var random = JSONTestRandom(seed: 4)
    for count in 1...19 {
      for _ in 0..<200 {
        let text = "0." + digits(count, &random)
        // The bytes after the number are no digits, but in an array they have values close to those of digits.
        for follower in [",1]", "]", " ]", "e0]"] {
          let array = try JSONReader.read(Array(("[" + text + follower).utf8)) { try $0.readValue() }
          let expected = try #require(Double(text))
          #expect(array == .array([.number(.real(expected))] + (follower == ",1]" ? [.number(.integer(1))] : [])))
        }
        for intruder in ["/", ":", "\u{1}", "z", "\u{B0}"] {
          #expect(refusal("[" + text + intruder + digits(8, &random) + "]") != nil)
        }
      }
    }
  }
}
