import Testing

@testable import Formats

@Suite struct SpellingTests {
  @Test(arguments: [
    ("serach", "search"), ("Search", "search"), ("sear", "search"), ("--limt", "--limit"), ("qeury", "query"), ("hihg", "high"),
  ])
  func aMisspelledWordHasANearestName(word: String, name: String) {
    #expect(Spelling.nearest(to: word, of: ["search", "--limit", "query", "high", "id"]) == name)
  }

  @Test(arguments: ["", "q", "i", "tea", "completely different", String(repeating: "search", count: 12)])
  func otherWordsHaveNone(word: String) { #expect(Spelling.nearest(to: word, of: ["search", "--limit", "query", "id"]) == nil) }

  @Test func ofTwoNamesThatAreEquallyNearTheFirstInOrderIsMeant() {
    #expect(Spelling.nearest(to: "bat", of: ["hat", "cat"]) == "cat")
  }

  @Test(arguments: [("", "", 0), ("abc", "", 3), ("abc", "acb", 1), ("kitten", "sitting", 3), ("é", "e", 1)])
  func distancesAreThoseOfDamerauAndLevenshtein(left: String, right: String, distance: Int) {
    #expect(Spelling.distance(left, right) == distance && Spelling.distance(right, left) == distance)
  }
}
