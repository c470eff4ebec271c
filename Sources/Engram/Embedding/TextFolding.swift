/// Maps the spellings of a letter to one: case, diacritics, full width and the common ligatures.
///
/// The table is part of the program, because vectors are stored: it must not follow the Unicode version of a platform. Lowercasing
/// and general categories come from the standard library; Unicode's stability policy fixes them for every assigned letter.
///
/// Canonically equivalent spellings fold alike in the Latin, Greek, Cyrillic, Hebrew, Arabic, kana and Hangul scripts (Hangul is
/// composed by ``TokenScanner``). Text in other scripts is taken as it is written.
enum TextFolding {
  /// Groups, separated by spaces: a letter, then the lowercase letters that become it when their marks are dropped.
  private static let groups = """
    aàáâãäåāăąǎǟǡǻȁȃȧḁạảấầẩẫậắằẳẵặ bḃḅḇ cçćĉċčḉ dďḋḍḏḑḓđð eèéêëēĕėęěȅȇȩḕḗḙḛḝẹẻẽếềểễệ fḟ gĝğġģǧǵḡ hĥȟḣḥḧḩḫẖħ \
    iìíîïĩīĭįǐȉȋḭḯỉịı jĵǰ kķǩḱḳḵ lĺļľḷḹḻḽł mḿṁṃ nñńņňǹṅṇṉṋ oòóôõöōŏőơǒǫǭȍȏȫȭȯȱṍṏṑṓọỏốồổỗộớờởỡợøǿ pṕṗ rŕŗřȑȓṙṛṝṟ \
    sśŝşšșṡṣṥṧṩſẛ tţťțṫṭṯṱẗŧ uùúûüũūŭůűųưǔǖǘǚǜȕȗṳṵṷṹṻụủứừửữự vṽṿ wŵẁẃẅẇẉẘ xẋẍ yýÿŷȳẏẙỳỵỷỹ zźżžẑẓẕ ʒǯ ʹʹ \
    αάἀἁἂἃἄἅἆἇὰάᾀᾁᾂᾃᾄᾅᾆᾇᾰᾱᾲᾳᾴᾶᾷ εέἐἑἒἓἔἕὲέ ηήἠἡἢἣἤἥἦἧὴήᾐᾑᾒᾓᾔᾕᾖᾗῂῃῄῆῇ ιΐίϊἰἱἲἳἴἵἶἷὶίιῐῑῒΐῖῗ οόὀὁὂὃὄὅὸό ρῤῥ σς \
    υΰϋύὐὑὒὓὔὕὖὗὺύῠῡῢΰῦῧ ωώὠὡὢὣὤὥὦὧὼώᾠᾡᾢᾣᾤᾥᾦᾧῲῳῴῶῷ ϒϓϔ аӑӓ гѓ еѐёӗ жӂӝ зӟ ийѝӣӥ кќ оӧ уўӯӱӳ чӵ ыӹ эӭ ії ѵѷ әӛ өӫ \
    \u{5D0}\u{FB2E}\u{FB2F}\u{FB30} \u{5D1}\u{FB31}\u{FB4C} \u{5D2}\u{FB32} \u{5D3}\u{FB33} \u{5D4}\u{FB34} \
    \u{5D5}\u{FB35}\u{FB4B} \u{5D6}\u{FB36} \u{5D8}\u{FB38} \u{5D9}\u{FB1D}\u{FB39} \u{5DA}\u{FB3A} \
    \u{5DB}\u{FB3B}\u{FB4D} \u{5DC}\u{FB3C} \u{5DE}\u{FB3E} \u{5E0}\u{FB40} \u{5E1}\u{FB41} \u{5E3}\u{FB43} \
    \u{5E4}\u{FB44}\u{FB4E} \u{5E6}\u{FB46} \u{5E7}\u{FB47} \u{5E8}\u{FB48} \
    \u{5E9}\u{FB2A}\u{FB2B}\u{FB2C}\u{FB2D}\u{FB49} \u{5EA}\u{FB4A} \u{5F2}\u{FB1F} \u{627}\u{622}\u{623}\u{625} \
    \u{648}\u{624} \u{64A}\u{626} \u{6C1}\u{6C2} \u{6D2}\u{6D3} \u{6D5}\u{6C0} \u{915}\u{958} \u{916}\u{959} \
    \u{917}\u{95A} \u{91C}\u{95B} \u{921}\u{95C} \u{922}\u{95D} \u{928}\u{929} \u{92B}\u{95E} \u{92F}\u{95F} \
    \u{930}\u{931} \u{933}\u{934} \u{9A1}\u{9DC} \u{9A2}\u{9DD} \u{9AF}\u{9DF} \u{A16}\u{A59} \u{A17}\u{A5A} \
    \u{A1C}\u{A5B} \u{A2B}\u{A5E} \u{A32}\u{A33} \u{A38}\u{A36} うゔ かが きぎ くぐ けげ こご さざ しじ すず せぜ そぞ ただ ちぢ つづ てで とど はばぱ ひびぴ \
    ふぶぷ へべぺ ほぼぽ ゝゞ ウヴ カガ キギ クグ ケゲ コゴ サザ シジ スズ セゼ ソゾ タダ チヂ ツヅ テデ トド ハバパ ヒビピ フブプ ヘベペ ホボポ ワヷ ヰヸ ヱヹ ヲヺ ヽヾ
    """

  private static let bases: [UInt32: UInt32] = {
    var bases: [UInt32: UInt32] = [:]
    for group in groups.unicodeScalars.split(separator: " ") {
      for scalar in group.dropFirst() {
        bases[scalar.value] = group.first?.value
      }
    }
    return bases
  }()

  /// Letters that become several.
  private static let expansions: [UInt32: [UInt32]] = {
    let texts: [(Unicode.Scalar, String)] = [
      ("\u{DF}", "ss"), ("\u{E6}", "ae"), ("\u{1FD}", "ae"), ("\u{1E3}", "ae"), ("\u{153}", "oe"), ("\u{FE}", "th"), ("\u{133}", "ij"),
      ("\u{FB00}", "ff"), ("\u{FB01}", "fi"), ("\u{FB02}", "fl"), ("\u{FB03}", "ffi"), ("\u{FB04}", "ffl"),
    ]
    return Dictionary(uniqueKeysWithValues: texts.map { ($0.value, $1.unicodeScalars.map(\.value)) })
  }()

  /// Calls `body` with each scalar value that replaces `scalar`: none for a mark that is dropped, several for a ligature.
  static func fold(_ scalar: Unicode.Scalar, _ body: (UInt32) -> Void) {
    let value = scalar.value
    switch value {
    case 0x41...0x5a:
      body(value | 0x20)
    case 0..<0x80:
      body(value)
    case 0x2e80..<0xa640, 0xac00..<0xfb00:
      // No case in these blocks; the voiced kana still have bases.
      if !isDropped(value) { body(bases[value] ?? value) }
    case 0xff01...0xff5e:
      let narrow = value - 0xfee0
      body(0x41...0x5a ~= narrow ? narrow | 0x20 : narrow)
    default:
      for lower in scalar.properties.lowercaseMapping.unicodeScalars where !isDropped(lower.value) {
        if let expansion = expansions[lower.value] {
          expansion.forEach(body)
        } else {
          body(bases[lower.value] ?? lower.value)
        }
      }
    }
  }

  /// Marks that are left out without ending a word: accents, Hebrew points, Arabic vowels, nuktas, joiners, variation selectors.
  private static func isDropped(_ value: UInt32) -> Bool {
    switch value {
    case 0xad, 0x300...0x36f, 0x591...0x5bd, 0x5bf, 0x5c1...0x5c2, 0x5c4...0x5c5, 0x5c7, 0x610...0x61a, 0x640, 0x64b...0x65f, 0x670,
      0x93c, 0x9bc, 0xa3c, 0x1ab0...0x1aff, 0x1dc0...0x1dff, 0x200c...0x200d, 0x2060, 0x20d0...0x20ff, 0x3099...0x309a,
      0xfe00...0xfe0f, 0xfe20...0xfe2f, 0xfeff:
      true
    default:
      false
    }
  }
}
