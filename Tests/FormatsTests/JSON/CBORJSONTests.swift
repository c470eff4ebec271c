import Testing
@testable import Formats

@Suite struct CBORJSONTests {
  private func json(_ value: CBORValue) throws -> String {
    var writer = JSONWriter()
    try writer.write(cbor: value)
    return writer.string
  }

  private func cbor(_ text: String) throws -> CBORValue { try JSONReader.read(Array(text.utf8)) { try $0.readCBOR() } }

  private func refusal(_ text: String) -> JSONError.Code? { jsonError { _ = try cbor(text) }?.code }

  private func map(_ pairs: (CBORValue, CBORValue)...) -> CBORValue { .map(pairs.map { .init(key: $0, value: $1) }) }

  @Test func eachItemHasOneSpelling() throws {
    let spellings: [(CBORValue, String)] = [
      (.null, "null"), (.bool(true), "true"), (.bool(false), "false"), (.undefined, #"{"$undefined":true}"#),
      (.unsigned(0), "0"), (.unsigned(1 << 63), "9223372036854775808"), (.unsigned(.max), "18446744073709551615"),
      (.negative(0), "-1"), (.negative(1 << 63 - 1), "-9223372036854775808"),
      (.negative(1 << 63), #"{"$negative":"-9223372036854775809"}"#), (.negative(.max), #"{"$negative":"-18446744073709551616"}"#),
      (.float(3), "3.0"), (.float(-0.0), "-0.0"), (.float(1e300), "1e+300"), (.float(0.1), "0.1"),
      (.float(.infinity), #"{"$float":"inf"}"#), (.float(-.infinity), #"{"$float":"-inf"}"#),
      (.bytes([]), #"{"$bytes":""}"#), (.bytes([1, 2, 3, 255]), #"{"$bytes":"AQID/w=="}"#),
      (.text("a\n"), #""a\n""#), (.simple(0), #"{"$simple":0}"#), (.simple(255), #"{"$simple":255}"#),
      (.tag(.max, .tag(1, .null)), #"{"$tag":[18446744073709551615,{"$tag":[1,null]}]}"#),
      (.array([.unsigned(1), .array([])]), "[1,[]]"), (.map([]), "{}"),
      (map((.text("b"), .unsigned(1)), (.text("a"), .map([]))), #"{"b":1,"a":{}}"#),
      (map((.text("$x"), .unsigned(1)), (.text("a"), .null)), #"{"$map":[["$x",1],["a",null]]}"#),
      (map((.unsigned(1), .text("x")), (.array([.null]), .null)), #"{"$map":[[1,"x"],[[null],null]]}"#),
      (map((.text("$bytes"), .text("no base64"))), #"{"$map":[["$bytes","no base64"]]}"#),
      (map((.text("a$"), .null), (.text(""), .null)), #"{"a$":null,"":null}"#),
    ]
    for (value, text) in spellings {
      #expect(try json(value) == text)
      #expect(try cbor(text) == value)
    }
    #expect(try json(.float(.nan)) == #"{"$float":"nan"}"#)
    #expect(try json(cbor(#"{"$float":"nan"}"#)) == #"{"$float":"nan"}"#)
    if case .float(let zero) = try cbor("-0.0") { #expect(zero.sign == .minus) } else { Issue.record("no float") }
  }

  private func tree(_ random: inout JSONTestRandom, depth: Int) -> CBORValue {
    switch Int.random(in: 0..<(depth > 0 ? 14 : 10), using: &random) {
    case 0: return .unsigned(random.next() >> UInt64.random(in: 0..<64, using: &random))
    case 1: return .negative(random.next() >> UInt64.random(in: 0..<64, using: &random))
    case 2: return .bytes((0..<Int.random(in: 0..<9, using: &random)).map { UInt8($0) ^ UInt8(truncatingIfNeeded: random.next()) })
    case 3, 4: return .text((Bool.random(using: &random) ? "$" : "") + random.text(count: 8))
    case 5: return .bool(.random(using: &random))
    case 6: return .null
    case 7: return .undefined
    case 8: return .simple(Bool.random(using: &random) ? .random(in: 0..<20, using: &random) : .random(in: 32...255, using: &random))
    case 9: return .float([-0.0, 0.0, 1.0, .infinity, -.infinity, random.finiteDouble()].randomElement(using: &random) ?? 0)
    case 10: return .tag(random.next(), tree(&random, depth: depth - 1))
    case 11: return .array((0..<Int.random(in: 0..<5, using: &random)).map { _ in tree(&random, depth: depth - 1) })
    default:
      let textOnly = Bool.random(using: &random)
      var seen: Set<String> = []
      var entries: [CBORValue.Entry] = []
      for index in 0..<Int.random(in: 0..<5, using: &random) {
        let key: CBORValue = textOnly ? .text(random.text(count: 6)) : .array([.unsigned(UInt64(index)), tree(&random, depth: depth - 1)])
        guard seen.insert(textOnly ? "\(key)" : "\(index)").inserted else { continue }
        entries.append(.init(key: key, value: tree(&random, depth: depth - 1)))
      }
      return .map(entries)
    }
  }

  @Test func randomItemsReadBackEqual() throws {
    var random = JSONTestRandom(seed: 40)
    for _ in 0..<5_000 {
      let value = tree(&random, depth: 4)
      let text = try json(value)
      let read = try cbor(text)
      #expect(read == value)
      #expect(try json(read) == text)
      // The text is also plain JSON.
      _ = try jsonValue(text)
    }
  }

  @Test(arguments: [
    #"{"$bytes":1}"#, #"{"$bytes":"A"}"#, #"{"$bytes":"AB=="}"#, #"{"$bytes":"","x":1}"#,
    #"{"x":1,"$bytes":""}"#, #"{"$bytes":"","$bytes":""}"#,
    #"{"$tag":[]}"#, #"{"$tag":[1]}"#, #"{"$tag":[1,2,3]}"#, #"{"$tag":[-1,2]}"#, #"{"$tag":[1.0,2]}"#, #"{"$tag":["1",2]}"#,
    #"{"$tag":1}"#,
    #"{"$tag":[18446744073709551616,2]}"#, #"{"$float":"NaN"}"#, #"{"$float":1.0}"#, #"{"$float":"+inf"}"#, #"{"$undefined":false}"#,
    #"{"$undefined":null}"#, #"{"$simple":-1}"#, #"{"$simple":256}"#, #"{"$simple":20}"#, #"{"$simple":31}"#, #"{"$simple":1.0}"#,
    #"{"$negative":-1}"#, #"{"$negative":"1"}"#, #"{"$negative":"-0"}"#, #"{"$negative":"-01"}"#, #"{"$negative":"--1"}"#,
    #"{"$negative":"-+1"}"#, #"{"$negative":"-18446744073709551617"}"#, #"{"$negative":"- 1"}"#, #"{"$negative":""}"#, #"{"$map":{}}"#,
    #"{"$map":[1]}"#, #"{"$map":[[]]}"#, #"{"$map":[[1]]}"#, #"{"$map":[[1,2,3]]}"#, #"{"$":1}"#, #"{"$other":1}"#, #"{"\u0024other":1}"#,
    #"{"$map":[[1,2],[1,3]]}"#, #"{"$map":[[1.0,2],[1.00,3]]}"#, #"{"a":1,"a":1}"#, "1e400", "18446744073709551616",
    "-18446744073709551617", "1" + String(repeating: "0", count: 40), #"{"$bytes":""#, #"{"$tag":[1,2"#, #"{"$map":[[1,2]"#,
  ])
  func malformedFormsAreRefused(text: String) {
    #expect(refusal(text) != nil)
  }

  @Test func errorsSayWhatIsWrong() {
    #expect(refusal(#"{"$other":1}"#) == .invalidForm)
    #expect(refusal(#"{"x":1,"$bytes":""}"#) == .invalidForm)
    #expect(refusal(#"{"$map":[[1,2],[1,3]]}"#) == .duplicateKey)
    #expect(refusal("18446744073709551616") == .numberOutOfRange)
    #expect(jsonError { _ = try cbor(#"[{"$bytes":"A*=="}]"#) }?.offset == 13)
  }

  @Test func aMapThatNeedsNoFormMayComeInOne() throws {
    #expect(try cbor(#"{"$map":[["a",1]]}"#) == map((.text("a"), .unsigned(1))))
    #expect(try cbor(#"{"$negative":"-1"}"#) == .negative(0))
    #expect(try cbor("-9223372036854775809") == .negative(1 << 63))
  }

  @Test func depthIsCountedInItemsNotInJSON() throws {
    func nested(_ count: Int, _ wrap: (CBORValue) -> CBORValue, _ inner: CBORValue = .bytes([1])) -> CBORValue {
      (0..<count).reduce(inner) { value, _ in wrap(value) }
    }
    let wraps: [(CBORValue) -> CBORValue] = [
      { .array([$0]) }, { .tag(1, $0) }, { .map([.init(key: .null, value: $0)]) }, { .map([.init(key: $0, value: .null)]) },
      { .map([.init(key: .text("k"), value: $0)]) },
    ]
    for wrap in wraps {
      let deepest = nested(128, wrap)
      #expect(try cbor(json(deepest)) == deepest)
      #expect(jsonError { _ = try json(nested(129, wrap)) }?.code == .depthExceeded)
      #expect(jsonError { _ = try json(nested(128, wrap, .map([]))) }?.code == .depthExceeded)
      let inner = try json(nested(127, wrap, .float(12345.5)))
      for tooDeep in ["[[1]]", "[{}]", #"{"a":{}}"#, #"{"$tag":[1,[]]}"#, #"{"$map":[[1,[]]]}"#] {
        #expect(refusal(inner.replacing("12345.5", with: tooDeep)) == .depthExceeded)
      }
    }
    #expect(refusal(String(repeating: #"{"$tag":[1,"#, count: 100_000)) == .depthExceeded)
    #expect(refusal(String(repeating: #"{"$map":[["#, count: 100_000)) == .depthExceeded)
  }

  @Test func whatHasNoSpellingLeavesTheWriterAsItWas() throws {
    let bad: [(CBORValue, JSONError.Code)] = [
      (.simple(20), .invalidForm), (map((.text("a"), .null), (.text("a"), .null)), .duplicateKey),
      (map((.unsigned(1), .null), (.unsigned(1), .null)), .duplicateKey),
    ]
    for (value, code) in bad {
      var writer = JSONWriter()
      writer.beginArray()
      writer.write(1)
      #expect(jsonError { try writer.write(cbor: .array([.text("x"), value])) }?.code == code)
      try writer.write(cbor: .unsigned(2))
      writer.endArray()
      #expect(writer.string == "[1,2]")
      #expect(writer.depth == 0)
    }
    // Canonically equivalent keys stay two keys.
    let accents = map((.text("\u{E9}"), .unsigned(1)), (.text("e\u{301}"), .unsigned(2)))
    #expect(try cbor(json(accents)) == accents)
  }
}
