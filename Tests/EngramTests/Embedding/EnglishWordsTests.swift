import Testing

@testable import Engram

struct EnglishWordsTests {
  @Test(arguments: [
    ("cats", "cat"), ("stories", "story"), ("studied", "study"), ("planned", "plan"), ("baking", "bak"), ("bake", "bak"),
    ("bakes", "bak"), ("boss", "boss"), ("string", "string"), ("calling", "call"), ("gas", "gas"), ("tomatoes", "tomato"), ("bed", "bed"),
  ])
  func endingsAreTaken(from word: String, to expected: String) {
    let (letters, addsY) = EnglishWords.stem(word.unicodeScalars.map(\.value)[...])
    #expect(letters.compactMap(Unicode.Scalar.init).map(String.init).joined() + (addsY ? "y" : "") == expected)
  }
}
