/// The language whose words a store's texts are made of: it decides which endings are left out and which words say nothing.
///
/// The stemmers are those of Snowball (M. Porter, R. Boulton and others, snowballstem.org), as libstemmer has them.
public enum WordLanguage: String, Sendable, Hashable, Codable, CaseIterable {
  case arabic, armenian, basque, catalan, danish, dutch, english, finnish, french, german, greek, hindi, hungarian, indonesian, irish,
    italian
  case lithuanian, nepali, norwegian, portuguese, romanian, russian, serbian, spanish, swedish, tamil, turkish, yiddish
  /// No endings are left out, and every word counts.
  case none

  /// Words that are left out, and what stands for irregular forms and numbers.
  var replacements: WordReplacements { self == .english ? EnglishForms.replacements : WordReplacements() }
}

/// What becomes of whole words before their endings are looked at. By hashes of their UTF-8, which no two words of a table share.
struct WordReplacements: Sendable {
  /// Left out.
  var stopWords: Set<String> = []
  /// From a form to the one that stands for it.
  var forms: [String: String] = [:]
}
