/// The language of a store's texts. It decides which word endings are removed, and which words are too common to count.
///
/// The stemmers are those of Snowball (M. Porter, R. Boulton and others, snowballstem.org), as libstemmer has them.
public enum WordLanguage: String, Sendable, Hashable, Codable, CaseIterable {
  case arabic, armenian, basque, catalan, danish, dutch, english, finnish, french, german, greek, hindi, hungarian, indonesian, irish,
    italian
  case lithuanian, nepali, norwegian, portuguese, romanian, russian, serbian, spanish, swedish, tamil, turkish, yiddish
  /// No endings are removed, and every word counts.
  case none
}
