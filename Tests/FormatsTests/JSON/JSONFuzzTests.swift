import Foundation
import Testing
@testable import Formats

@Suite struct JSONFuzzTests {
  private func tree(_ random: inout JSONTestRandom, depth: Int) -> JSONValue {
    switch Int.random(in: 0..<(depth > 0 ? 9 : 7), using: &random) {
    case 0: return .null
    case 1: return .bool(.random(using: &random))
    case 2: return .number(.integer(Int64(bitPattern: random.next()) >> Int64.random(in: 0..<64, using: &random)))
    case 3:
      let high = random.next() | 1 << 63
      return .number(Bool.random(using: &random) ? .unsigned(high) : .negative(high))
    case 4: return .number(.real(random.finiteDouble()))
    case 5, 6: return .string(random.text(count: 24))
    case 7: return .array((0..<Int.random(in: 0..<6, using: &random)).map { _ in tree(&random, depth: depth - 1) })
    default:
      var keys: Set<[UInt8]> = []
      var members: [JSONValue.Member] = []
      for _ in 0..<Int.random(in: 0..<6, using: &random) {
        let key = random.text(count: 12)
        if keys.insert(Array(key.utf8)).inserted { members.append(.init(key: key, value: tree(&random, depth: depth - 1))) }
      }
      return .object(members)
    }
  }

  private func written(_ value: JSONValue) -> [UInt8] {
    var writer = JSONWriter()
    writer.write(value)
    return writer.bytes
  }

  @Test func randomTreesReadBackEqual() throws {
    var random = JSONTestRandom(seed: 10)
    for _ in 0..<3_000 {
      let value = tree(&random, depth: 5)
      let text = written(value)
      let read = try JSONReader.read(text) { try $0.readValue() }
      #expect(read == value)
      // Strings are equal if they are canonically equivalent, so the bytes are compared, too.
      #expect(written(read) == text)
      try JSONReader.read(text) { try $0.skipValue() }
      #expect(!text.contains { $0 < 0x20 })
    }
  }

  @Test func everyTruncationIsAnError() {
    var random = JSONTestRandom(seed: 11)
    for _ in 0..<300 {
      let text = written(.array([tree(&random, depth: 4), tree(&random, depth: 2)]))
      for length in 0..<text.count where refusal(Array(text[..<length])) == nil {
        Issue.record("accepted the first \(length) bytes of \(String(decoding: text, as: UTF8.self))")
      }
    }
  }

  @Test func flippedBytesNeverTrapAndFoundationAgrees() {
    var random = JSONTestRandom(seed: 12)
    var accepted = 0
    for _ in 0..<20_000 {
      var text = written(.array([tree(&random, depth: 3)]))
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let index = Int.random(in: 0..<text.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: text[index] = UInt8(truncatingIfNeeded: random.next())
        case 1: text[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: text.insert(Array("{}[],:\"\\0-.eEtn".utf8).randomElement(using: &random) ?? 0, at: index)
        default: text.remove(at: index)
        }
        if text.isEmpty { text = [0x20] }
      }
      let value = try? JSONReader.read(text) { try $0.readValue() }
      let skipped: Void? = try? JSONReader.read(text) { try $0.skipValue() }
      _ = try? JSONReader.read(text) { try $0.readCBOR() }
      if value != nil {
        accepted += 1
        #expect(skipped != nil)
        if !Self.isValidForFoundation(text) { Issue.record("Foundation refuses \(String(decoding: text, as: UTF8.self))") }
      }
    }
    #expect(accepted > 500)
  }

  @Test func randomBytesNeverTrap() {
    var random = JSONTestRandom(seed: 13)
    let alphabet = Array("{}[],:\"\\u0019-+.eEtruefalsn $bytesmap\u{E9}".utf8)
    var refused = 0
    for _ in 0..<50_000 {
      let text = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
        Int.random(in: 0..<20, using: &random) == 0
          ? UInt8(truncatingIfNeeded: random.next()) : alphabet.randomElement(using: &random) ?? 0
      }
      if refusal(text) != nil { refused += 1 }
      _ = try? JSONReader.read(text) { try $0.skipValue() }
      _ = try? JSONReader.read(text) { try $0.readCBOR() }
      _ = try? JSONReader.read(text) { try $0.readFloatArray(expected: 3) }
      _ = try? JSONReader.read(text) { try $0.readBase64Floats() }
    }
    #expect(refused > 45_000)
  }

  @Test func foundationReadsTheSameValues() throws {
    var random = JSONTestRandom(seed: 14)
    for _ in 0..<1_000 {
      let value = tree(&random, depth: 4)
      let text = Data(written(.array([value])))
      let decoded = try JSONDecoder().decode([Foreign].self, from: text)
      let other = try #require(decoded.first)
      if !Self.matches(value, other) { Issue.record("differs: \(String(decoding: text, as: UTF8.self))") }
    }
  }

  private static func isValidForFoundation(_ text: [UInt8]) -> Bool {
    (try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed)) != nil
  }

  private static func matches(_ value: JSONValue, _ other: Foreign) -> Bool {
    switch (value, other) {
    case (.null, .null): return true
    case (.bool(let bool), .bool(let other)): return bool == other
    case (.number(.integer(let integer)), .number(let other, _, _)): return integer == other
    case (.number(.unsigned(let integer)), .number(_, let other, _)): return integer == other
    // Foundation has no integers below Int64.min.
    case (.number(.negative(let complement)), .number(_, _, let other)): return other == -Double(complement) - 1
    case (.number(.real(let real)), .number(_, _, let other)): return real == other
    case (.string(let text), .string(let other)): return other.utf8.elementsEqual(text.utf8)
    case (.array(let elements), .array(let others)):
      return elements.count == others.count && zip(elements, others).allSatisfy { matches($0, $1) }
    case (.object(let members), .object(let others)):
      return members.allSatisfy { member in
        // Foundation's dictionary treats canonically equivalent keys as one.
        let isAlone = members.filter { $0.key == member.key }.count == 1
        return !isAlone || others[member.key].map { matches(member.value, $0) } ?? false
      }
    default: return false
    }
  }
}

/// A value as Foundation's decoder reads it. (Its JSONSerialization is no reference: it rounds many doubles incorrectly.)
private enum Foreign: Decodable {
  case null
  case bool(Bool)
  case number(Int64?, UInt64?, Double?)
  case string(String)
  case array([Foreign])
  case object([String: Foreign])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let bool = try? container.decode(Bool.self) {
      self = .bool(bool)
    } else if let string = try? container.decode(String.self) {
      self = .string(string)
    } else if let array = try? container.decode([Foreign].self) {
      self = .array(array)
    } else if let object = try? container.decode([String: Foreign].self) {
      self = .object(object)
    } else {
      self = .number(try? container.decode(Int64.self), try? container.decode(UInt64.self), try? container.decode(Double.self))
    }
  }
}
