import Testing
@testable import Formats

@Suite struct CSVWriterTests {
  private func field(_ text: String?) -> String {
    var writer = CSVWriter()
    writer.write(text)
    return writer.string
  }

  @Test func rowsAreSeparatedByCommasAndEndWithCRLF() {
    var writer = CSVWriter()
    writer.write("id")
    writer.write("score")
    writer.endRow()
    writer.write(-5)
    writer.write(-0.25)
    writer.write(Float(0.1))
    writer.write(nil as String?)
    writer.write("")
    writer.endRow()
    #expect(writer.string == "id,score\r\n-5,-0.25,0.1,,\"\"\r\n")
  }

  @Test func fieldsAreQuotedWhereTheyMustBe() {
    #expect(field("plain text") == "plain text")
    #expect(field("a,b") == "\"a,b\"")
    #expect(field("a\"b") == "\"a\"\"b\"")
    #expect(field("a\nb") == "\"a\nb\"")
    #expect(field("a\rb") == "\"a\rb\"")
    #expect(field("é😀") == "é😀")
  }

  @Test func formulasAreNeutralised() {
    for sign in "＝＋－＠" { #expect(field("\(sign)1+1") == "'\(sign)1+1") }
    #expect(field("=1+1") == "'=1+1")
    #expect(field("+49") == "'+49")
    #expect(field("-x") == "'-x")
    #expect(field("@SUM(A1)") == "'@SUM(A1)")
    #expect(field("\tx") == "'\tx")
    #expect(field("\rx") == "\"'\rx\"")
    #expect(field("\nx") == "\"'\nx\"")
    #expect(field("=HYPERLINK(\"a\",\"b\")") == "\"'=HYPERLINK(\"\"a\"\",\"\"b\"\")\"")
    #expect(field("a=b") == "a=b")
    #expect(field("'=") == "'=")
  }

  @Test func everyTextReadsBack() {
    var random = JSONTestRandom(seed: 50)
    for _ in 0..<2_000 {
      let texts = (0..<4).map { _ in random.text(count: 10) }
      var writer = CSVWriter()
      for text in texts { writer.write(text) }
      writer.endRow()
      let expected = texts.map { text in
        text.unicodeScalars.first.map { "=+-@\t\r\n".unicodeScalars.contains($0) } ?? false ? "'" + text : text
      }
      #expect(Self.parse(writer.bytes) == expected.map { Array($0.utf8) })
    }
  }

  /// A naive RFC 4180 reader of one row.
  private static func parse(_ bytes: [UInt8]) -> [[UInt8]] {
    var fields: [[UInt8]] = [[]]
    var isQuoted = false
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      if isQuoted {
        if byte == 0x22, index + 1 < bytes.count, bytes[index + 1] == 0x22 {
          fields[fields.count - 1].append(byte)
          index += 1
        } else if byte == 0x22 {
          isQuoted = false
        } else {
          fields[fields.count - 1].append(byte)
        }
      } else if byte == 0x22 {
        isQuoted = true
      } else if byte == 0x2C {
        fields.append([])
      } else if byte == 0x0D {
        return fields
      } else {
        fields[fields.count - 1].append(byte)
      }
      index += 1
    }
    return fields
  }
}
