/// The English words and endings that the hashing embedder knows. Words of other languages stay unchanged, unless they have such an ending.
enum EnglishWords {
  /// Words that say little about the subject of a sentence, with the pieces that an apostrophe leaves behind (`don't` → `don`, `t`).
  private static let common = """
    a about after again all also am an and any are as at be because been before being both but by can could d did do does doing \
    don down during each few for from further get go gonna good got great had has have having he her here hers hey hi him his how \
    i if im in into is it its just know like ll lot m me more most much my no nor not now of off oh on once one only or other our \
    out over own re really s same she should so some such sure t than thank thanks that the their them then there these they think \
    this those through to too under until up us ve very was we well were what when where which while who whom why will with would \
    wow yeah you your yours
    """

  /// The features of kind `w` of the common words.
  static let commonWordHashes: Set<UInt64> = {
    var hashes: Set<UInt64> = []
    for word in common.unicodeScalars.split(separator: " ") {
      var hash = FeatureHash(kind: UInt8(ascii: "w"))
      for scalar in word { hash.combine(scalar: scalar.value) }
      hashes.insert(hash.value)
    }
    return hashes
  }()

  /// Removes plural, `-ing` and `-ed` endings from a folded word: `stories` → `story`, `planned` → `plan`, `baking` and `bakes` → `bak`.
  ///
  /// The rules, in order; a length is that of the word before the rule is applied:
  /// 1. length > 4 and `ies` or `ied`: becomes `y`, and nothing else applies.
  /// 2. The first that fits: length > 5 and `ing` after a vowel somewhere; length > 4 and `ed` after a vowel somewhere; length > 4
  ///    and `es`; length > 3 and `s` but not `ss`. The ending is removed.
  /// 3. length > 3 and a doubled last letter other than `l`, `s`, `z`: one of the two is removed.
  /// 4. length > 3 and a last `e`: it is removed.
  static func stem(_ word: ArraySlice<UInt32>) -> (letters: ArraySlice<UInt32>, addsY: Bool) {
    var word = word
    if word.count > 4, word.hasEnding("ies") || word.hasEnding("ied") {
      return (word.dropLast(3), true)
    }
    if word.count > 5, word.hasEnding("ing"), word.dropLast(3).contains(where: isVowel) {
      word = word.dropLast(3)
    } else if word.count > 4, word.hasEnding("ed"), word.dropLast(2).contains(where: isVowel) {
      word = word.dropLast(2)
    } else if word.count > 4, word.hasEnding("es") {
      word = word.dropLast(2)
    } else if word.count > 3, word.hasEnding("s"), !word.hasEnding("ss") {
      word = word.dropLast()
    }
    if word.count > 3, let last = word.last, word.dropLast().last == last, last != 0x6c, last != 0x73, last != 0x7a {
      word = word.dropLast()
    }
    if word.count > 3, word.hasEnding("e") {
      word = word.dropLast()
    }
    return (word, false)
  }

  private static func isVowel(_ value: UInt32) -> Bool {
    switch value {
    case 0x61, 0x65, 0x69, 0x6f, 0x75, 0x79: true
    default: false
    }
  }
}

extension ArraySlice<UInt32> {
  fileprivate func hasEnding(_ ending: String) -> Bool {
    let count = ending.utf8.count
    return self.count >= count && suffix(count).elementsEqual(ending.utf8.lazy.map { UInt32($0) })
  }
}
