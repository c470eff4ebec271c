import Foundation
import Testing
@testable import Formats

@Suite struct Base64Tests {
  private func encoded(_ bytes: [UInt8]) -> [UInt8] {
    var text: [UInt8] = []
    Base64.encode(bytes, into: &text)
    return text
  }

  private func failure(_ text: String) -> Base64.Failure? {
    do throws(Base64.Failure) {
      _ = try Base64.decode(Array(text.utf8))
      return nil
    } catch {
      return error
    }
  }

  @Test func agreesWithFoundation() throws {
    var random = JSONTestRandom(seed: 20)
    for count in Array(0..<200) + [1000, 1535, 1536, 1537, 4096] {
      let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      let text = encoded(bytes)
      #expect(String(decoding: text, as: UTF8.self) == Data(bytes).base64EncodedString())
      #expect(text.count == Base64.encodedCount(count))
      #expect(try Base64.decode(text) == bytes)
    }
  }

  @Test func appendsBehindWhatIsThere() {
    var text = Array("x".utf8)
    Base64.encode(Array("foobar".utf8), into: &text)
    #expect(String(decoding: text, as: UTF8.self) == "xZm9vYmFy")
  }

  @Test(arguments: [
    ("A", 1), ("AA", 2), ("AAA", 3), ("AAAAA", 5), ("AA==AAAA", 2), ("AAA=AAAA", 3), ("A===", 1), ("====", 0), ("=AAA", 0), ("AA=A", 2),
    ("AB==", 1), ("AAB=", 2), ("A/==", 1), ("AA-A", 2), ("_AAA", 0), ("AAAA\nAAA", 4), ("AAAAAAAA AAA", 8), ("AAAAAAAAAAA*", 11),
    ("AAAAAAAAAAAAé=", 15), ("AAAAAAAAAAAA.AAA", 12), ("AAAAAAAAAA\0AAAAA", 10), ("AAAAAAAAAAAAAAAAAAAAAAA\u{7F}", 23),
  ])
  func refusesAndPointsAtTheCharacter(text: String, offset: Int) {
    #expect(failure(text)?.offset == offset)
  }

  @Test func everyWrongByteIsFoundWhereItIs() throws {
    let good = encoded([UInt8](0..<48))
    let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    for byte in UInt8.min...UInt8.max {
      for position in good.indices {
        var text = good
        text[position] = byte
        let result = Result { () throws(Base64.Failure) in try Base64.decode(text) }
        if alphabet.contains(byte) || (byte == UInt8(ascii: "=") && position == good.count - 1) { continue }
        guard case .failure(let failure) = result else {
          Issue.record("accepted byte \(byte) at \(position)")
          continue
        }
        if failure.offset != position { Issue.record("byte \(byte) at \(position) was found at \(failure.offset)") }
      }
    }
  }

  @Test func exactlyTheCanonicalTextsAreAccepted() throws {
    // The second of the two letters before "==" has four bits that belong to no byte.
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var accepted = 0
    for first in letters {
      for second in letters where failure("\(first)\(second)==") == nil { accepted += 1 }
    }
    #expect(accepted == 256)
  }

  @Test func floatsAreLittleEndian() throws {
    var text: [UInt8] = []
    let floats: [Float] = [1, -2, .pi, -0.0, .infinity, .leastNonzeroMagnitude]
    Base64.encodeFloats(floats.span, into: &text)
    var bytes: [UInt8] = []
    for float in floats { for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: float.bitPattern >> UInt32(shift))) } }
    #expect(String(decoding: text, as: UTF8.self) == Data(bytes).base64EncodedString())
    #expect(try Base64.decodeFloats(text).map(\.bitPattern) == floats.map(\.bitPattern))
    #expect(try Base64.decodeFloats([]) == [])
    for count in [1, 2, 3, 5, 1535] {
      let odd = encoded([UInt8](repeating: 0, count: count))
      #expect(throws: Base64.Failure.self) { try Base64.decodeFloats(odd) }
    }
  }
}
