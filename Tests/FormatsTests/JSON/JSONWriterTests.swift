import Testing
@testable import Formats

@Suite struct JSONWriterTests {
  private func written(_ body: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    body(&writer)
    return writer.string
  }

  @Test func commasComeByThemselves() {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("a")
    writer.write(1)
    writer.key("b")
    writer.beginArray()
    writer.write(true)
    writer.writeNull()
    writer.beginObject()
    writer.endObject()
    writer.beginArray()
    writer.endArray()
    writer.write("x")
    writer.endArray()
    writer.key(text: "c\"")
    writer.write(-2.5)
    writer.endObject()
    writer.endLine()
    writer.write(UInt64.max)
    writer.endLine()
    #expect(writer.string == "{\"a\":1,\"b\":[true,null,{},[],\"x\"],\"c\\\"\":-2.5}\n18446744073709551615\n")
  }

  @Test func onlyWhatMustBeIsEscaped() {
    #expect(written { $0.write("a\"b\\c/dé😀") } == #""a\"b\\c/dé😀""#)
    #expect(written { $0.write("\u{0}\u{8}\t\n\u{B}\u{C}\r\u{1F}") } == #""\u0000\b\t\n\u000b\f\r\u001f""#)
    #expect(written { $0.write("x\u{2027}\u{2028}\u{2029}\u{202A}") } == "\"x\u{2027}\\u2028\\u2029\\u202a\"")
    #expect(written { $0.write("") } == "\"\"")
    // Every position in a word of eight bytes, and positions beyond it.
    for position in 0..<20 {
      let before = String(repeating: "a", count: position)
      #expect(written { $0.write(before + "\n" + before) } == "\"\(before)\\n\(before)\"")
      #expect(written { $0.write(before + "\u{7F}" + before) } == "\"\(before)\\u007f\(before)\"")
    }
  }

  /// The bug: C1 controls, DEL and bidirectional controls of the data were written unchanged, so that with `memtool get --json` a memory
  /// could control the terminal. The fix: they are escaped, and no other characters beyond ASCII are.
  @Test func whatSteersATerminalIsEscapedAndNothingElse() throws {
    let ranges: [ClosedRange<UInt32>] = [
      0...0x1F, 0x22...0x22, 0x5C...0x5C, 0x7F...0x9F, 0x61C...0x61C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069,
    ]
    for value in UInt32(0)...0x10FFFF {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let text = "a" + String(Character(scalar)) + "b"
      let json = written { $0.write(text) }
      if (json != "\"\(text)\"") != ranges.contains(where: { $0.contains(value) }) { Issue.record("U+\(String(value, radix: 16))") }
      if try JSONReader.read(Array(json.utf8), { try $0.readString() }) != text { Issue.record("U+\(String(value, radix: 16))") }
    }
  }

  @Test func numbersTakeTheirShortestForm() {
    #expect(written { $0.write(3.0) } == "3.0")
    #expect(written { $0.write(-0.0) } == "-0.0")
    #expect(written { $0.write(0.1) } == "0.1")
    #expect(written { $0.write(Float(0.1)) } == "0.1")
    #expect(written { $0.write(1e22) } == "1e+22")
    #expect(written { $0.write(Double.leastNonzeroMagnitude) } == "5e-324")
    #expect(written { $0.write(Int64.min) } == "-9223372036854775808")
    #expect(written { $0.write(0) } == "0")
    #expect(written { $0.write(Int8.min) } == "-128")
    #expect(written { $0.writeNegative(.max) } == "-18446744073709551616")
    #expect(written { $0.writeNegative(0) } == "-1")
    #expect(written { $0.writeFloats([1, -2.5, 1e-7]) } == "[1.0,-2.5,1e-07]")
    #expect(written { $0.writeFloats([]) } == "[]")
  }

  @Test func floatsReadBackBitForBit() throws {
    var random = JSONTestRandom(seed: 5)
    for _ in 0..<200 {
      let floats = (0..<384).map { _ in
        let value = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
        return value.isFinite ? value : -0.0
      }
      var writer = JSONWriter()
      writer.writeFloats(floats)
      let array = try JSONReader.read(writer.bytes) { try $0.readFloatArray(expected: 384) }
      #expect(array.map(\.bitPattern) == floats.map(\.bitPattern))
      writer = JSONWriter()
      writer.writeBase64(floats: floats.span)
      let decoded = try JSONReader.read(writer.bytes) { try $0.readBase64Floats() }
      #expect(decoded.map(\.bitPattern) == floats.map(\.bitPattern))
    }
  }

  @Test func writtenRealsStayReals() throws {
    var random = JSONTestRandom(seed: 6)
    for _ in 0..<20_000 {
      let value = Bool.random(using: &random) ? random.finiteDouble() : Double(Int.random(in: -1_000_000...1_000_000, using: &random))
      let text = written { $0.write(value) }
      #expect(try jsonValue(text) == .number(.real(value)))
    }
  }
}
