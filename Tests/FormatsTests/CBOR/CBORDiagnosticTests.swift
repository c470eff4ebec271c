import Testing

@testable import Formats

/// The examples of RFC 8949 are in `CBORAppendixATests`.
struct CBORDiagnosticTests {
  @Test func controlAndBidirectionalCharactersAreEscaped() {
    let text = "a\u{0}\u{1b}[31m\n\t\r\u{7f}\u{85}\u{202e}\u{2066}\u{feff}\"\\é"
    let expected = #""a\u0000\u001b[31m\n\t\r\u007f\u0085\u202e\u2066\ufeff\"\\é""#
    #expect(CBORDiagnostic.text(of: .text(text)) == expected)
  }

  @Test func numbersAreWrittenInFull() {
    #expect(CBORDiagnostic.text(of: .negative(.max)) == "-18446744073709551616")
    #expect(CBORDiagnostic.text(of: .tag(2, .bytes([UInt8](repeating: 255, count: 16)))) == "340282366920938463463374607431768211455")
    #expect(CBORDiagnostic.text(of: .tag(3, .bytes([UInt8](repeating: 255, count: 16)))) == "-340282366920938463463374607431768211456")
    #expect(CBORDiagnostic.text(of: .tag(2, .bytes([UInt8](repeating: 1, count: 17)))) == "2(h'\(String(repeating: "01", count: 17))')")
    #expect(CBORDiagnostic.text(of: .float(-.leastNonzeroMagnitude)) == "-5.0e-324")
    #expect(CBORDiagnostic.text(of: .float(1.5e-10)) == "1.5e-10")
  }

  @Test func deepTreesAreCutAndNotFatal() {
    var tree = CBORValue.null
    for _ in 0..<1_000 { tree = .array([tree]) }
    let text = CBORDiagnostic.text(of: tree)
    #expect(text == String(repeating: "[", count: 129) + "..." + String(repeating: "]", count: 129))
  }

  @Test func malformedBytesAreAnError() {
    #expect(cborCode { () throws(CBORError) in _ = try CBORDiagnostic.text(of: [0x82, 0x01]) } != nil)
  }
}
