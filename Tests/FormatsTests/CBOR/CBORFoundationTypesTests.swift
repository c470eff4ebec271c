import Foundation
import Testing

@testable import Formats

struct CBORFoundationTypesTests {
  private func notation(_ value: some Encodable) throws -> String {
    try CBORDiagnostic.text(of: CBOREncoder().encode(value))
  }

  private func roundTrip<Value: Codable>(_ value: Value) throws -> Value {
    try CBORDecoder().decode(Value.self, from: CBOREncoder().encode(value))
  }

  private func date(_ input: String) throws -> Date {
    try CBORDecoder().decode(Date.self, from: cborBytes(hex: input))
  }

  // MARK: Dates

  @Test func datesTakeTheFirstFormThatReadsBackEqual() throws {
    #expect(try notation(Date(timeIntervalSince1970: 0)) == "1(0)")
    #expect(try notation(Date(timeIntervalSince1970: -1)) == "1(-1)")
    #expect(try notation(Date(timeIntervalSince1970: 1_700_000_000)) == "1(1700000000)")
    #expect(try notation(Date(timeIntervalSince1970: 1_700_000_000.5)) == "1(1700000000.5)")
    #expect(try notation(Date(timeIntervalSinceReferenceDate: 0.1)) == "1001({1: 978307200, -9: 100000000})")
    #expect(try notation(Date(timeIntervalSinceReferenceDate: -0.1)) == "1001({1: 978307199, -9: 900000000})")
    #expect(try notation(Date(timeIntervalSinceReferenceDate: 1.0 / 3)) == "1001({1: 978307200, -18: 333333333333333315})")
    #expect(try notation(Date(timeIntervalSince1970: .infinity)) == "1(Infinity)")
    #expect(try notation(Date(timeIntervalSince1970: 1e300)) == "1(1.0e+300)")
  }

  @Test func randomDatesRoundTripExactly() throws {
    var random = CBORTestGenerator(seed: 31)
    for round in 0..<20_000 {
      let reference: Double =
        switch round % 5 {
        case 0: Double.random(in: -2e9...2e9, using: &random)
        case 1: Double.random(in: 0.1...1e3, using: &random) * (Bool.random(using: &random) ? 1 : -1)
        case 2: Double(Int64.random(in: -2_000_000_000_000...2_000_000_000_000, using: &random)) / 1000
        case 3: Double.random(in: -1e18...1e18, using: &random)
        default: Double(sign: .plus, exponent: Int.random(in: 0...90, using: &random), significand: 1).nextDown
        }
      let date = Date(timeIntervalSinceReferenceDate: reference)
      if try roundTrip(date) != date { Issue.record("\(reference) does not round trip: \(try notation(date))") }
    }
    for value in [Double.infinity, -.infinity, .greatestFiniteMagnitude, 0, -0.0, 0x1p63, -0x1p63, 0x1p53 + 2] {
      let date = Date(timeIntervalSinceReferenceDate: value)
      #expect(try roundTrip(date) == date)
    }
    // The complement of its integer lies between two doubles, so it must not be rounded alone.
    let tie = Date(timeIntervalSince1970: Double(bitPattern: 0xC34B_0B00_0000_00AF))
    #expect(try roundTrip(tie) == tie)
    #expect(try roundTrip(Date(timeIntervalSince1970: .nan)).timeIntervalSince1970.isNaN)
  }

  @Test func datesFinerThanAttosecondsAreRounded() throws {
    for value in [1e-300, -1e-300, 1e-17, 0.001234567890123456, .leastNonzeroMagnitude, -1e-19] {
      let back = try roundTrip(Date(timeIntervalSinceReferenceDate: value)).timeIntervalSinceReferenceDate
      #expect(abs(back - value) <= 0.5e-18 * 1.000001)
    }
  }

  @Test func datesOfOthersAreRead() throws {
    #expect(try date("00") == Date(timeIntervalSince1970: 0))
    #expect(try date("20") == Date(timeIntervalSince1970: -1))
    #expect(try date("f93e00") == Date(timeIntervalSince1970: 1.5))
    #expect(try date("c1f93e00") == Date(timeIntervalSince1970: 1.5))
    // {1: 0, -3: 500}, {-6: 250000, 1: 1}, and one with an ignorable key and an ignorable text.
    #expect(try date("d903e9 a2 0100 22 1901f4") == Date(timeIntervalSince1970: 0.5))
    #expect(try date("d903e9 a2 25 1a0003d090 0101") == Date(timeIntervalSince1970: 1.25))
    #expect(try date("d903e9 a3 0102 29 00 6161 80") == Date(timeIntervalSince1970: 2))
    #expect(try date("d903e9 bf 01 f93e00 ff") == Date(timeIntervalSince1970: 1.5))
    let refused = [
      "d903e9 a0", "d903e9 a2 0100 0500", "d903e9 a3 0100 2200 2500", "d903e9 00", "d903e9 a1 01 6161", "c2 4100", "6161", "c0 6161", "f5",
    ]
    for input in refused {
      #expect(throws: DecodingError.self, "\(input)") { try date(input) }
    }
  }

  // MARK: Decimals

  @Test func decimalsRoundTripExactlyAndHaveOneEncoding() throws {
    #expect(try notation(Decimal(string: "1.10")) == "4([-1, 11])")
    #expect(try notation(Decimal(100)) == "4([2, 1])")
    #expect(try notation(Decimal(0)) == "4([0, 0])")
    #expect(try notation(Decimal.nan) == "NaN")
    #expect(try roundTrip(Decimal.nan).isNaN)
    var random = CBORTestGenerator(seed: 32)
    var values: [Decimal] = [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNonzeroMagnitude, .pi, -1, 1]
    for _ in 0..<2_000 {
      let mantissa = UInt128(random.next()) << 64 | UInt128(random.next())
      let digits = String(mantissa >> UInt128.random(in: 0..<128, using: &random))
      let sign = Bool.random(using: &random) ? "-" : ""
      values.append(try #require(Decimal(string: "\(sign)\(digits)E\(Int.random(in: -128...88, using: &random))")))
    }
    for value in values where try roundTrip(value) != value { Issue.record("\(value) does not round trip") }
    let half = Decimal(sign: .plus, exponent: -3, significand: 500)
    #expect(try CBOREncoder().encode(half) == CBOREncoder().encode(Decimal(string: "0.5")))
  }

  @Test func decimalsOfOthersAreReadExactly() throws {
    func read(_ input: String) throws -> Decimal { try CBORDecoder().decode(Decimal.self, from: cborBytes(hex: input)) }
    #expect(try read("05") == 5)
    #expect(try read("24") == -5)
    #expect(try read("f93800") == Decimal(string: "0.5"))
    #expect(try read("fa3dcccccd").description == "0.100000001490116119384765625")
    #expect(try read("c49f 21 191e6c ff") == Decimal(string: "77.88"))
    #expect(try read("c482 21 c2420100") == Decimal(string: "2.56"))
    #expect(try read("c482 188a 01") == Decimal(sign: .plus, exponent: 127, significand: 100_000_000_000))
    #expect(try read("c482 1b7fffffffffffffff 00") == 0)
    let refused = [
      "c482 190100 01", "c482 3a7fffffff 01", "c481 01", "c483 010101", "c401", "f97c00", "fb7e37e43c8800759c", "6131", "c482 01 f93e00",
      "c482 00 c251010000000000000000000000000000000000",
    ]
    for input in refused { #expect(throws: DecodingError.self, "\(input)") { try read(input) } }
  }

  // MARK: Identifiers

  @Test func identifiersHaveTheirTags() throws {
    let uuid = try #require(UUID(uuidString: "00112233-4455-6677-8899-AABBCCDDEEFF"))
    #expect(cborHex(try CBOREncoder().encode(uuid)) == "d8255000112233445566778899aabbccddeeff")
    #expect(try roundTrip([uuid]) == [uuid])
    let untagged = cborBytes(hex: "50 00112233445566778899aabbccddeeff")
    #expect(try CBORDecoder().decode(UUID.self, from: untagged) == uuid)
    #expect(try CBORDecoder().decode(UUID.self, from: CBOREncoder().encode(uuid.uuidString)) == uuid)
    #expect(throws: DecodingError.self) { try CBORDecoder().decode(UUID.self, from: cborBytes(hex: "d8254100")) }
    #expect(throws: DecodingError.self) { try CBORDecoder().decode(UUID.self, from: cborBytes(hex: "d82650") + untagged.dropFirst()) }

    let url = try #require(URL(string: "https://example.com/a?b=c#d"))
    #expect(try notation(url) == #"32("https://example.com/a?b=c#d")"#)
    #expect(try roundTrip(["u": url]) == ["u": url])
    #expect(try CBORDecoder().decode(URL.self, from: CBOREncoder().encode("https://example.com/a?b=c#d")) == url)
    #expect(throws: DecodingError.self) { try CBORDecoder().decode(URL.self, from: cborBytes(hex: "d82060")) }
  }

  @Test func dataInChunksIsJoined() throws {
    #expect(try CBORDecoder().decode(Data.self, from: cborBytes(hex: "5f 4101 40 420203 ff")) == Data([1, 2, 3]))
    #expect(try roundTrip(Data()) == Data())
    let slice = Data([9, 8, 7, 6])[1...2]
    #expect(try roundTrip(slice) == slice)
  }
}
