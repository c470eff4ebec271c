/// The language whose words a store's texts are made of: it decides which endings are left out and which words say nothing.
///
/// The stemmers are those of Snowball (M. Porter, R. Boulton and others, snowballstem.org), as libstemmer has them.
public enum WordLanguage: String, Sendable, Hashable, Codable, CaseIterable {
  case arabic, armenian, basque, catalan, danish, dutch, english, finnish, french, german, greek, hindi, hungarian, indonesian, irish,
    italian
  case lithuanian, nepali, norwegian, portuguese, romanian, russian, serbian, spanish, swedish, tamil, turkish, yiddish
  /// No endings are left out, and every word counts.
  case none
}
