/// How whole words are replaced or left out before endings are removed.
struct WordReplacements: Sendable {
  /// Words that are left out.
  var stopWords: Set<String> = []
  /// By the form of a word, the word that replaces it.
  var forms: [String: String] = [:]
}

extension WordLanguage {
  /// The replacements of the language; empty for languages other than English.
  var replacements: WordReplacements { self == .english ? EnglishForms.replacements : WordReplacements() }
}

/// English words that no rule of endings covers.
enum EnglishForms {
  /// Words that are too frequent to distinguish texts, with the pieces that an apostrophe leaves of a word.
  private static let stopWords = """
    a an and are at be been d did do does for had has have he her his how i in is it its ll m my of on or our re s she t that the their these they this \
    those to ve was we were what when where which who why with you your
    """

  /// Groups of a word and the forms that it replaces: irregular verbs, plurals and comparatives, and names of parents.
  private static let irregular = """
    be: am is are was were been being; have: has had having; do: does did done doing; go: goes went gone going; get: gets got gotten getting; make: made; \
    take: took taken; come: came; see: saw seen; know: knew known; think: thought; give: gave given; find: found; tell: told; become: became; leave: left; \
    feel: felt; bring: brought; begin: began begun; keep: kept; hold: held; write: wrote written; stand: stood; hear: heard; mean: meant; meet: met; run: \
    ran; pay: paid; sit: sat; speak: spoke spoken; lead: led; grow: grew grown; lose: lost; fall: fell fallen; send: sent; build: built; understand: \
    understood; draw: drew drawn; break: broke broken; spend: spent; rise: rose risen; drive: drove driven; buy: bought; wear: wore worn; choose: chose \
    chosen; eat: ate eaten; teach: taught; catch: caught; fight: fought; win: won; sell: sold; throw: threw thrown; forget: forgot forgotten; fly: flew \
    flown; swim: swam swum; sing: sang sung; ride: rode ridden; drink: drank drunk; sleep: slept; dream: dreamt; learn: learnt; bite: bit bitten; blow: \
    blew blown; bend: bent; bind: bound; bleed: bled; breed: bred; burn: burnt; deal: dealt; dig: dug; feed: fed; flee: fled; freeze: froze frozen; hang: \
    hung; hide: hid hidden; kneel: knelt; lay: laid; lend: lent; light: lit; say: said; seek: sought; shake: shook shaken; shine: shone; shoot: shot; \
    show: shown; shrink: shrank shrunk; sink: sank sunk; steal: stole stolen; stick: stuck; strike: struck; swear: swore sworn; sweep: swept; swing: \
    swung; tear: tore torn; wake: woke woken; wind: wound; forgive: forgave forgiven; overcome: overcame; child: children; man: men; woman: women; person: \
    people; foot: feet; tooth: teeth; mouse: mice; life: lives; wife: wives; knife: knives; mom: mum mother mommy; dad: father daddy; good: better best; \
    bad: worse worst
    """

  private static let numbers = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]

  static let replacements: WordReplacements = {
    var replacements = WordReplacements()
    replacements.stopWords = Set(stopWords.split(separator: " ").map(String.init))
    for group in irregular.split(separator: ";") {
      let words = group.split(whereSeparator: { $0 == " " || $0 == ":" }).map(String.init)
      for form in words.dropFirst() { replacements.forms[form] = words[0] }
    }
    for (value, name) in numbers.enumerated() { replacements.forms[name] = String(value) }
    return replacements
  }()
}
