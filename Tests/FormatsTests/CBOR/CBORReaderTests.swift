import Testing

@testable import Formats

struct CBORReaderTests {
  @Test func aHandWrittenDecoderReadsARecordInAnyForm() throws {
    struct Record: Equatable {
      var name = ""
      var count: Int64 = 0
      var ratio = 0.0
      var isOpen = false
      var blob: [UInt8] = []
      var note: String?
    }
    func read(_ bytes: [UInt8]) throws(CBORError) -> Record {
      try CBORReader.withReader(over: bytes) { reader throws(CBORError) in
        var record = Record()
        var pairs = try reader.readMapCount()
        while try reader.hasNext(&pairs) {
          let key = try unsafe reader.readTextBytes()
          if unsafe key.equals("name") {
            record.name = try reader.readText()
          } else if unsafe key.equals("count") {
            record.count = try reader.readInt64()
          } else if unsafe key.equals("ratio") {
            record.ratio = try reader.readDouble()
          } else if unsafe key.equals("isOpen") {
            record.isOpen = try reader.readBool()
          } else if unsafe key.equals("blob") {
            record.blob = try reader.readBytes()
          } else if unsafe key.equals("note") {
            record.note = try reader.readNullIfPresent() ? nil : reader.readText()
          } else {
            try reader.skip()
          }
        }
        try reader.requireEnd()
        return record
      }
    }
    var writer = CBORWriter()
    writer.map(count: 7)
    writer.key("blob")
    writer.bytes([1, 2])
    writer.key("name")
    writer.text("Ünal")
    writer.key("note")
    writer.null()
    writer.key("count")
    writer.int(-300)
    writer.key("extra")
    writer.array(count: 2)
    writer.tag(1)
    writer.unsigned(5)
    writer.undefined()
    writer.key("ratio")
    writer.double(0.1)
    writer.key("isOpen")
    writer.bool(true)
    let expected = Record(name: "Ünal", count: -300, ratio: 0.1, isOpen: true, blob: [1, 2], note: nil)
    #expect(try read(writer.bytes) == expected)
    // A tree of the same record gives the same deterministic encoding.
    #expect(try cborEncoding(of: CBORReader.value(of: writer.bytes)) == writer.bytes)
    // An indefinite map, strings in chunks, a float for an integer.
    let foreign = cborBytes(
      hex: "bf 646e616d65 7f62c39c636e616cff 65636f756e74 f9dcb0 64626c6f62 5f41014102ff 646e6f7465 f6 ff")
    #expect(try read(foreign) == Record(name: "Ünal", count: -300, blob: [1, 2]))
  }

  @Test func integersOfEveryWidthAreExactOrRefused() throws {
    func read<Value: FixedWidthInteger & Sendable>(_ type: Value.Type, _ input: String) throws(CBORError) -> Value {
      try CBORReader.withReader(over: cborBytes(hex: input)) { reader throws(CBORError) in try reader.readInteger(type) }
    }
    #expect(try read(UInt8.self, "18ff") == 255)
    #expect(cborCode { () throws(CBORError) in _ = try read(UInt8.self, "190100") } == .integerOutOfRange)
    #expect(cborCode { () throws(CBORError) in _ = try read(UInt8.self, "20") } == .integerOutOfRange)
    #expect(try read(Int8.self, "387f") == -128)
    #expect(cborCode { () throws(CBORError) in _ = try read(Int8.self, "3880") } == .integerOutOfRange)
    #expect(try read(Int64.self, "3b7fffffffffffffff") == .min)
    #expect(cborCode { () throws(CBORError) in _ = try read(Int64.self, "3b8000000000000000") } == .integerOutOfRange)
    #expect(try read(UInt64.self, "1bffffffffffffffff") == .max)
    #expect(try read(Int128.self, "3bffffffffffffffff") == -(1 << 64))
    #expect(try read(UInt128.self, "c250" + String(repeating: "ff", count: 16)) == .max)
    #expect(try read(Int128.self, "c3507f" + String(repeating: "ff", count: 15)) == .min)
    #expect(try read(Int.self, "c2420100") == 256, "a big number that is small")
    #expect(try read(Int.self, "c2540000000000000000000000000000000000000001") == 1, "leading zeros do not count")
    let seventeenBytes = "c25101" + String(repeating: "00", count: 16)
    #expect(cborCode { () throws(CBORError) in _ = try read(UInt128.self, seventeenBytes) } == .integerOutOfRange)
    #expect(try read(Int.self, "f94200") == 3)
    #expect(cborCode { () throws(CBORError) in _ = try read(Int.self, "f94300") } == .inexactNumber)
    #expect(cborCode { () throws(CBORError) in _ = try read(Int.self, "f97e00") } == .inexactNumber)
    #expect(cborCode { () throws(CBORError) in _ = try read(Int.self, "fb7e37e43c8800759c") } == .integerOutOfRange)
    #expect(cborCode { () throws(CBORError) in _ = try read(Int.self, "6133") } == .typeMismatch)
    #expect(cborCode { () throws(CBORError) in _ = try read(Int.self, "c26161") } == .invalidTagContent)
  }

  @Test func doublesAcceptOnlyExactIntegers() throws {
    func read(_ input: String) throws(CBORError) -> Double {
      try CBORReader.withReader(over: cborBytes(hex: input)) { reader throws(CBORError) in try reader.readDouble() }
    }
    #expect(try read("1b0020000000000000") == 0x1p53)
    #expect(cborCode { () throws(CBORError) in _ = try read("1b0020000000000001") } == .inexactNumber)
    #expect(try read("3bffffffffffffffff") == -0x1p64)
    #expect(try read("c350" + String(repeating: "ff", count: 16)) == -0x1p128)
    #expect(cborCode { () throws(CBORError) in _ = try read("f5") } == .typeMismatch)
  }

  @Test func everyHalfFloatSurvivesAndIsShortest() throws {
    for pattern in UInt16.min...UInt16.max {
      let value = CBORHalfFloat.value(pattern)
      var writer = CBORWriter()
      writer.double(value)
      if value.isNaN {
        #expect(cborHex(writer.bytes) == "f97e00")
      } else {
        let expected = [0xf9, UInt8(pattern >> 8), UInt8(pattern & 0xff)]
        if writer.bytes != expected { Issue.record("\(value): \(cborHex(writer.bytes))") }
        // A value half-way to the next one needs a single float.
        if value.isFinite, pattern & 0x7fff < 0x7bff {
          let between = (value + CBORHalfFloat.value(pattern + 1)) / 2
          writer.removeAll()
          writer.double(between)
          if writer.bytes.first != 0xfa { Issue.record("\(between): \(cborHex(writer.bytes))") }
        }
      }
    }
    // Known values at the limits, so that errors in both directions cannot cancel out.
    #expect(CBORHalfFloat.value(0x0001) == 0x1p-24)
    #expect(CBORHalfFloat.value(0x03ff) == 0x1p-14 - 0x1p-24)
    #expect(CBORHalfFloat.value(0x0400) == 0x1p-14)
    #expect(CBORHalfFloat.value(0x7bff) == 65504)
    #expect(CBORHalfFloat.value(0xc000) == -2)
  }

  @Test func floatsTakeTheShortestWidthThatKeepsThem() {
    var random = CBORTestGenerator(seed: 11)
    for _ in 0..<50_000 {
      let value =
        Bool.random(using: &random)
        ? Double(Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))) : Double(bitPattern: random.next())
      guard !value.isNaN else { continue }
      var writer = CBORWriter()
      writer.double(value)
      let isSingle = Double(Float(value)) == value
      #expect(writer.bytes.count <= (isSingle ? 5 : 9) && (isSingle || writer.bytes.count == 9), "\(value)")
      let back = try? CBORReader.withReader(over: writer.bytes) { reader throws(CBORError) in try reader.readDouble() }
      #expect(back?.bitPattern == value.bitPattern)
    }
  }

  @Test func aKeyInChunksIsReadOnlyWhereItIsJoined() throws {
    let input = cborBytes(hex: "7f 627573 6165 ff")
    try CBORReader.withReader(over: input) { reader throws(CBORError) in
      let isUse = try unsafe reader.withTextBytes { utf8 in unsafe utf8.equals("use") }
      #expect(isUse)
    }
    #expect(
      cborCode { () throws(CBORError) in
        try CBORReader.withReader(over: input) { reader throws(CBORError) in _ = try unsafe reader.readTextBytes() }
      } == .chunkedString)
  }

  @Test func errorsNamePlaceAndReason() {
    do throws(CBORError) {
      _ = try CBORReader.value(of: cborBytes(hex: "8200a161ff00"))
      Issue.record("an error was expected")
    } catch {
      #expect(error.code == .invalidUTF8)
      #expect(error.offset == 3)
      #expect("\(error)" == "CBOR at byte 3: the text is not valid UTF-8")
    }
  }

  @Test func aSimpleValueWithoutEncodingIsRefused() {
    for value in UInt8(24)...31 {
      #expect(
        cborCode { () throws(CBORError) in
          var writer = CBORWriter()
          try writer.value(.simple(value))
        } == .unencodable)
    }
  }

  @Test func aTreeWithDuplicateKeysIsRefused() {
    let entry = CBORValue.Entry(key: .text("a"), value: .null)
    let other = CBORValue.Entry(key: .text("b"), value: .null)
    #expect(
      cborCode { () throws(CBORError) in
        var writer = CBORWriter()
        try writer.value(.map([entry, other, entry]))
      } == .duplicateKey)
  }

  @Test func keysSortByTheirEncodedBytes() throws {
    // The example of RFC 8949 section 4.2.1.
    let keys: [CBORValue] = [
      .unsigned(10), .unsigned(100), .negative(0), .text("z"), .text("aa"), .array([.unsigned(100)]), .array([.negative(0)]),
      .bool(false),
    ]
    let encoded = try cborEncoding(of: .map(keys.reversed().map { .init(key: $0, value: .null) }))
    guard case .map(let entries) = try CBORReader.value(of: encoded) else {
      Issue.record("not a map")
      return
    }
    #expect(entries.map(\.key) == keys)
  }
}
