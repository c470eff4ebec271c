import Foundation
import Testing

@testable import Engram

struct TextFoldingTests {
  private func folded(_ text: String) -> String {
    var scalars = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      TextFolding.fold(scalar) { value in
        if let folded = Unicode.Scalar(value) { scalars.append(folded) }
      }
    }
    return String(scalars)
  }

  @Test(arguments: [
    ("Crème BRÛLÉE", "creme brulee"), ("Straße", "strasse"), ("ŁÓDŹ", "lodz"), ("Ærø", "aero"), ("İstanbul", "istanbul"),
    ("ｆＵＬＬ１２", "full12"), ("Οδυσσεύς", "οδυσσευσ"), ("Ёлка", "елка"), ("が", "か"), ("ﬁre", "fire"), ("soft\u{AD}ware", "software"),
    ("❤\u{FE0F}", "❤"), ("مُحَمَّد", "محمد"), ("東京", "東京"),
  ])
  func folds(_ text: String, to expected: String) {
    #expect(folded(text).unicodeScalars.elementsEqual(expected.unicodeScalars))
  }

  /// The table was written by hand, so it is compared with the decomposition of the platform.
  @Test func canonicallyEquivalentSpellingsFoldAlike() {
    let ranges: [ClosedRange<UInt32>] = [
      0x80...0x52f, 0x5d0...0x5ea, 0x620...0x6ff, 0x1e00...0x1fff, 0x3041...0x30ff, 0xfb1d...0xfb4e,
    ]
    var compared = 0
    for scalar in ranges.joined().compactMap(Unicode.Scalar.init) where scalar.properties.isAlphabetic {
      let decomposed = String(scalar).decomposedStringWithCanonicalMapping
      if decomposed.unicodeScalars.count > 1 { compared += 1 }
      // Not ==, by which canonically equivalent strings are equal anyway.
      let alike = folded(String(scalar)).unicodeScalars.elementsEqual(folded(decomposed).unicodeScalars)
      #expect(alike, "U+\(String(scalar.value, radix: 16))")
    }
    #expect(compared > 800)
  }
}
